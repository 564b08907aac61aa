#include "convert/copy/holes.h"

#include <algorithm>

#include "formats/core/storage.h"

namespace platter::copy {

Result<> LookThroughHoles(const Chain& chain, Extent& extent) {
  if (!extent.maybe_hole || !extent.host || extent.status != BlockStatus::kData) return Done{};
  for (const auto& file : chain.layer(extent.depth).files()) {
    if (file.get() != extent.host->file || extent.host->offset >= file->size()) continue;
    const DataRun run = PLATTER_TRY(file->DataMap(extent.host->offset));
    extent.length = std::min(extent.length, run.length);
    if (!run.data) extent.status = BlockStatus::kZero;
    break;
  }
  return Done{};
}

}  // namespace platter::copy
