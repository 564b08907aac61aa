#include "formats/vdi/measure.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/vdi/create_options.h"

namespace platter::vdi {
namespace {

// Adds up the blocks that the data extents of a chain touch.
Result<std::uint64_t> DataBlocks(const Chain& chain, std::uint64_t block_size) {
  std::uint64_t count = 0;
  std::uint64_t counted_to = 0;  // blocks below are decided
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    const Extent extent = PLATTER_TRY(chain.MapJoined(at, chain.virtual_size() - at));
    if (extent.status == BlockStatus::kData) {
      const std::uint64_t first = std::max(at / block_size, counted_to);
      counted_to = std::max(counted_to, DivideRoundingUp(extent.end(), block_size));
      count += counted_to - std::min(first, counted_to);
    }
    at = extent.end();
  }
  return count;
}

}  // namespace

Result<Measurement> Measure(const MeasureRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  const Header& header = options.header;
  std::uint64_t blocks = header.blocks;
  if (!options.places_all()) {
    blocks = request.source == nullptr ? 0 : PLATTER_TRY(DataBlocks(*request.source, header.block_size));
  }
  return Measurement{.required = header.data_offset + blocks * header.stride(),
                     .fully_allocated = header.data_offset + header.blocks * header.stride(),
                     .bitmaps = std::nullopt};
}

}  // namespace platter::vdi
