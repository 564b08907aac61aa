#include "formats/ploop/measure.h"

#include "formats/core/data_units.h"
#include "formats/ploop/create_options.h"

namespace platter::ploop {
Result<Measurement> Measure(const MeasureRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  const Header& header = options.header;
  std::uint64_t clusters = header.entries;
  if (!options.places_all()) {
    clusters = 0;
    if (request.source != nullptr) {
      clusters = PLATTER_TRY(CountDataUnits(*request.source, header.cluster_size, Preallocated::kWhole));
    }
  }
  return Measurement{.required = header.data_offset + clusters * header.cluster_size,
                     .fully_allocated = header.data_offset + header.entries * header.cluster_size,
                     .bitmaps = std::nullopt};
}

}  // namespace platter::ploop
