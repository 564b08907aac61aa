#include "formats/core/data_units.h"

#include <algorithm>
#include <memory>

#include "formats/core/checked.h"
#include "formats/core/storage.h"

namespace platter {
namespace {

class UnitCounter {
 public:
  UnitCounter(const Chain& chain, std::uint64_t unit, Preallocated preallocated)
      : chain_(chain), unit_(unit), preallocated_(preallocated) {}

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
  Result<> AddExtent(const Extent& extent) {
    if (preallocated_ == Preallocated::kStored && extent.maybe_hole && extent.host) {
      for (const std::shared_ptr<Storage>& file : chain_.layer(extent.depth).files()) {
        if (file.get() == extent.host->file) return AddStored(extent, *file);
      }
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
    const std::uint64_t first = std::max(begin / unit_, counted_to_);
    const std::uint64_t stop = DivideRoundingUp(end, unit_);
    if (stop <= first) return;
    count_ += stop - first;
    counted_to_ = stop;
  }

  const Chain& chain_;
  std::uint64_t unit_;
  Preallocated preallocated_;
  std::uint64_t count_ = 0;
  std::uint64_t counted_to_ = 0;  // units below are decided
};

}  // namespace

Result<std::uint64_t> CountDataUnits(const Chain& chain, std::uint64_t unit, Preallocated preallocated) {
  return UnitCounter(chain, unit, preallocated).Count();
}

}  // namespace platter
