#include "formats/containers/docker/archive.h"

#include <algorithm>
#include <utility>

#include "formats/containers/docker/inspect.h"

namespace platter::docker {

Result<OpenedArchive> OpenArchive(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::vector<std::byte> head(std::min<std::uint64_t>(storage->size(), ProbeInput::kHead));
  PLATTER_CHECK(storage->ReadAt(0, head));
  OpenedArchive opened;
  opened.index = std::make_unique<tar::Index>();
  const std::string name = storage->name();
  if (LooksLikeIndex(head)) {
    opened.blobs = std::make_unique<FolderBlobs>(storage, *context.gate);
  } else {
    PLATTER_CHECK(tar::ReadIndex(*storage, context.limits, *opened.index));
    opened.blobs = std::make_unique<ArchiveBlobs>(std::move(storage), *opened.index, true);
  }
  PLATTER_CHECK(ReadCatalog(*opened.blobs, context.limits, opened.catalog));
  if (opened.catalog.fault) return std::move(*opened.catalog.fault).In(name);
  return opened;
}

}  // namespace platter::docker
