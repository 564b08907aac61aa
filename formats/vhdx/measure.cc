#include "formats/vhdx/measure.h"

#include "formats/core/data_units.h"
#include "formats/vhdx/create_options.h"
#include "formats/vhdx/writer.h"

namespace platter::vhdx {
namespace {

// Stands for the parent's identity, which changes no size.
constexpr std::string_view kAnyParent = "00000000-0000-0000-0000-000000000000";

}  // namespace

Result<Measurement> Measure(const MeasureRequest& request) {
  const CreateOptions options =
      PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size, std::string(kAnyParent)));
  const Geometry& geometry = options.metadata.geometry;
  const std::uint64_t base = LayOut(options).payload;
  const std::uint64_t bitmaps = options.has_parent() ? geometry.chunk_count() * kBitmapBlockSize : 0;
  Measurement measurement;
  measurement.fully_allocated = base + bitmaps + geometry.block_count() * geometry.block_size;
  measurement.required = base;
  // How much the parent already has is not known: the worst case counts.
  if (geometry.fixed || (options.has_parent() && request.source != nullptr)) {
    measurement.required = measurement.fully_allocated;
  } else if (request.source != nullptr) {
    measurement.required +=
        PLATTER_TRY(CountDataUnits(*request.source, geometry.block_size, Preallocated::kStored)) * geometry.block_size;
  }
  return measurement;
}

}  // namespace platter::vhdx
