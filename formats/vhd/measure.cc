#include "formats/vhd/measure.h"

#include <optional>

#include "formats/core/checked.h"
#include "formats/core/data_units.h"
#include "formats/vhd/create_options.h"

namespace platter::vhd {
Result<Measurement> Measure(const MeasureRequest& request) {
  // The parent's id does not change sizes.
  constexpr std::string_view kAnyParent = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size, kAnyParent, ""));
  const std::uint64_t size = options.virtual_size();
  if (!options.sparse) {
    const std::uint64_t whole = size + FooterLayout::kSize;
    return Measurement{.required = whole, .fully_allocated = whole, .bitmaps = std::nullopt};
  }
  const SparseHeader& header = *options.sparse;
  const std::uint64_t table = AlignUp<std::uint64_t>(header.table_entries * kTableEntrySize, kSectorSize);
  const std::uint64_t metadata = header.table_offset + table + FooterLayout::kSize;
  std::uint64_t blocks = 0;
  if (request.source != nullptr) {
    blocks = PLATTER_TRY(CountDataUnits(*request.source, header.block_size, Preallocated::kWhole));
  }
  // How much the parent already has is not known: the worst case counts.
  if (options.footer.differencing()) blocks = header.table_entries;
  Measurement measurement;
  measurement.required = metadata + blocks * header.stored_block_bytes();
  measurement.fully_allocated = metadata + header.table_entries * header.stored_block_bytes();
  return measurement;
}

}  // namespace platter::vhd
