#include "tools/platter/source_watch.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "formats/core/image.h"
#include "formats/core/storage.h"

namespace platter::cli {

void SourceWatch::Add(const OpenedChain& chain) {
  for (const OpenedLayer& layer : chain.layers) {
    for (std::shared_ptr<Storage>& storage : layer.image->files()) {
      struct stat status {};
      if (storage->fd() < 0 || fstat(storage->fd(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      files_.push_back({std::move(storage), status.st_size, status.st_mtim});
    }
  }
}

Result<> SourceWatch::Unchanged() const {
  for (const File& file : files_) {
    struct stat status {};
    if (fstat(file.storage->fd(), &status) != 0) return Error::FromErrno(errno, "stat failed").In(file.storage->name());
    const bool same = status.st_size == file.size && status.st_mtim.tv_sec == file.modified.tv_sec &&
                      status.st_mtim.tv_nsec == file.modified.tv_nsec;
    if (same) continue;
    return Error(ErrorKind::kIo, "the file was changed while it was read: what was read is of no one state of it")
        .In(file.storage->name())
        .Try("stop what writes to it, or take a snapshot; -U reads it all the same");
  }
  return Done{};
}

Result<OpenedChain> OpenWatched(const ImageSource& source, SourceWatch& watch) {
  OpenedChain chain = PLATTER_TRY(OpenImage(source, {}));
  if (!source.force_share && source.dialect != Dialect::kQemu) watch.Add(chain);
  return chain;
}

Result<OpenedChain> OpenWatched(const ImageArgument& argument, SourceWatch& watch) {
  return OpenWatched(PLATTER_TRY(ParseImageArgument(argument)), watch);
}

}  // namespace platter::cli
