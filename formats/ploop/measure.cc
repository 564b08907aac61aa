#include "formats/ploop/measure.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/ploop/create_options.h"

namespace platter::ploop {
namespace {

// Adds up the clusters that the data extents of a chain touch.
Result<std::uint64_t> DataClusters(const Chain& chain, std::uint64_t cluster_size) {
  std::uint64_t count = 0;
  std::uint64_t counted_to = 0;  // clusters below are decided
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    const Extent extent = PLATTER_TRY(chain.MapJoined(at, chain.virtual_size() - at));
    if (extent.status == BlockStatus::kData) {
      const std::uint64_t first = std::max(at / cluster_size, counted_to);
      counted_to = std::max(counted_to, DivideRoundingUp(extent.end(), cluster_size));
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
  std::uint64_t clusters = header.entries;
  if (!options.places_all()) {
    clusters = request.source == nullptr ? 0 : PLATTER_TRY(DataClusters(*request.source, header.cluster_size));
  }
  return Measurement{.required = header.data_offset + clusters * header.cluster_size,
                     .fully_allocated = header.data_offset + header.entries * header.cluster_size,
                     .bitmaps = std::nullopt};
}

}  // namespace platter::ploop
