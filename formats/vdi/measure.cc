#include "formats/vdi/measure.h"

#include "formats/core/data_units.h"
#include "formats/vdi/create_options.h"

namespace platter::vdi {
Result<Measurement> Measure(const MeasureRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  const Header& header = options.header;
  std::uint64_t blocks = header.blocks;
  if (!options.places_all()) {
    blocks = 0;
    if (request.source != nullptr) {
      blocks = PLATTER_TRY(CountDataUnits(*request.source, header.block_size, Preallocated::kWhole));
    }
  }
  return Measurement{.required = header.data_offset + blocks * header.stride(),
                     .fully_allocated = header.data_offset + header.blocks * header.stride(),
                     .bitmaps = std::nullopt};
}

}  // namespace platter::vdi
