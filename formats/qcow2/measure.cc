#include "formats/qcow2/measure.h"

#include "formats/core/checked.h"
#include "formats/core/data_units.h"
#include "formats/qcow2/create_options.h"

namespace platter::qcow2 {
namespace {

// On top of the image: each bitmap's data and table, and the directory of all.
std::uint64_t BitmapBytes(const std::vector<BitmapInfo>& bitmaps, std::uint64_t virtual_size,
                          std::uint64_t cluster_size) {
  std::uint64_t clusters = 0;
  std::uint64_t directory = 0;
  for (const BitmapInfo& bitmap : bitmaps) {
    const std::uint64_t bits = DivideRoundingUp(virtual_size, bitmap.granularity);
    const std::uint64_t data = DivideRoundingUp(DivideRoundingUp<std::uint64_t>(bits, 8), cluster_size);
    clusters += data + DivideRoundingUp(data * sizeof(std::uint64_t), cluster_size);
    directory += AlignUp<std::uint64_t>(BitmapDirectoryEntry::kSize + bitmap.name.size(), 8);
  }
  return (clusters + DivideRoundingUp(directory, cluster_size)) * cluster_size;
}

Result<std::uint64_t> RequiredData(const MeasureRequest& request, const CreateOptions& options, std::uint64_t all) {
  if (options.preallocation == Preallocation::kFalloc || options.preallocation == Preallocation::kFull) return all;
  if (request.source == nullptr) return std::uint64_t{0};
  // How much the backing file already has is not known: the worst case counts.
  if (!options.header.backing_file.empty()) return all;
  const std::uint64_t cluster_size = options.header.cluster_size();
  return PLATTER_TRY(CountDataUnits(*request.source, cluster_size, Preallocated::kStored)) * cluster_size;
}

}  // namespace

std::uint64_t MetadataBytes(const Header& header) noexcept {
  const std::uint64_t cluster_size = header.cluster_size();
  const std::uint64_t data = DivideRoundingUp(header.virtual_size, cluster_size);
  const std::uint64_t l2 = DivideRoundingUp(data, header.l2_entries());
  const std::uint64_t l1 = DivideRoundingUp(l2 * kL1EntrySize, cluster_size);
  const std::uint64_t mapping = 1 + l1 + l2;
  // Blocks and table count themselves.
  std::uint64_t blocks = 0;
  std::uint64_t table = 0;
  for (bool settled = false; !settled;) {
    const std::uint64_t needed = DivideRoundingUp(data + mapping + blocks + table, header.refcount_block_entries());
    settled = needed == blocks;
    blocks = needed;
    table = DivideRoundingUp(blocks * kRefcountTableEntrySize, cluster_size);
  }
  return (mapping + blocks + table) * cluster_size;
}

Result<Measurement> Measure(const MeasureRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  const Header& header = options.header;
  const std::uint64_t metadata = MetadataBytes(header);
  const std::uint64_t all = AlignUp(header.virtual_size, header.cluster_size());
  Measurement measurement;
  measurement.required = metadata + PLATTER_TRY(RequiredData(request, options, all));
  measurement.fully_allocated = metadata + all;
  if (request.source != nullptr && header.version >= 3) {
    if (Bitmaps* bitmaps = request.source->layer(0).bitmaps(); bitmaps != nullptr) {
      measurement.bitmaps = BitmapBytes(bitmaps->bitmaps(), header.virtual_size, header.cluster_size());
    }
  }
  return measurement;
}

}  // namespace platter::qcow2
