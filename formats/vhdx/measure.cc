#include "formats/vhdx/measure.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/vhdx/create_options.h"
#include "formats/vhdx/writer.h"

namespace platter::vhdx {
namespace {

// Adds up the blocks that the data of a chain touches.
class BlockCounter {
 public:
  BlockCounter(const Chain& chain, std::uint64_t block_size) : chain_(chain), block_size_(block_size) {}

  Result<std::uint64_t> Count() {
    const std::uint64_t size = chain_.virtual_size();
    for (std::uint64_t at = 0; at < size;) {
      const Extent extent = PLATTER_TRY(chain_.MapJoined(at, size - at));
      if (extent.status == BlockStatus::kData) PLATTER_CHECK(AddExtent(extent));
      at = extent.end();
    }
    return count_;
  }

 private:
  // Of a preallocated extent counts what its file has.
  Result<> AddExtent(const Extent& extent) {
    for (const std::shared_ptr<Storage>& file : chain_.layer(extent.depth).files()) {
      if (!extent.maybe_hole || !extent.host || file.get() != extent.host->file) continue;
      return AddStored(extent, *file);
    }
    AddRange(extent.offset, extent.end());
    return Done{};
  }

  Result<> AddStored(const Extent& extent, Storage& file) {
    for (std::uint64_t done = 0; done < extent.length && extent.host->offset + done < file.size();) {
      const DataRun run = PLATTER_TRY(file.DataMap(extent.host->offset + done));
      const std::uint64_t length = std::min(run.length, extent.length - done);
      if (run.data) AddRange(extent.offset + done, extent.offset + done + length);
      done += length;
    }
    return Done{};
  }

  void AddRange(std::uint64_t begin, std::uint64_t end) {
    const std::uint64_t first = std::max(begin / block_size_, counted_to_);
    const std::uint64_t stop = DivideRoundingUp(end, block_size_);
    if (stop <= first) return;
    count_ += stop - first;
    counted_to_ = stop;
  }

  const Chain& chain_;
  std::uint64_t block_size_;
  std::uint64_t count_ = 0;
  std::uint64_t counted_to_ = 0;  // blocks below are decided
};

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
        PLATTER_TRY(BlockCounter(*request.source, geometry.block_size).Count()) * geometry.block_size;
  }
  return measurement;
}

}  // namespace platter::vhdx
