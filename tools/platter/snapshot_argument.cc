#include "tools/platter/snapshot_argument.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "formats/core/options.h"

namespace platter::cli {

Result<SnapshotArgument> ParseSnapshotArgument(std::string_view text) {
  SnapshotArgument wanted;
  if (!text.starts_with("snapshot.")) {
    wanted.id = text;
    wanted.either = true;
    return wanted;
  }
  for (const auto& [key, value] : SplitOptionList(text)) {
    if (key == "snapshot.id") {
      wanted.id = value.value_or("on");
    } else if (key == "snapshot.name") {
      wanted.name = value.value_or("on");
    } else {
      return Error(ErrorKind::kInvalid, fmt::format("Invalid parameter '{}'", key));
    }
  }
  return wanted;
}

Result<Chain> OpenSnapshot(const OpenedChain& chain, const SnapshotArgument& wanted) {
  const OpenedLayer& top = chain.layers.front();
  Snapshots* snapshots = top.image->snapshots();
  if (snapshots == nullptr) {
    return Error(ErrorKind::kUnsupported, fmt::format("format {} has no internal snapshots", top.driver->name));
  }
  const std::vector<SnapshotInfo>& list = snapshots->snapshots();
  auto found = std::ranges::find_if(list, [&](const SnapshotInfo& info) {
    return (!wanted.id || info.id == *wanted.id) && (!wanted.name || info.name == *wanted.name);
  });
  if (found == list.end() && wanted.either) found = std::ranges::find(list, *wanted.id, &SnapshotInfo::name);
  if (found == list.end()) return Error(ErrorKind::kInvalid, "Can't find snapshot");
  const auto index = static_cast<std::size_t>(found - list.begin());
  std::vector<std::shared_ptr<Image>> layers{PLATTER_TRY(snapshots->OpenSnapshot(index))};
  for (std::size_t depth = 1; depth < chain.layers.size(); ++depth) layers.push_back(chain.layers[depth].image);
  return Chain(std::move(layers));
}

}  // namespace platter::cli
