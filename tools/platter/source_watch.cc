#include "tools/platter/source_watch.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "formats/core/image.h"
#include "formats/core/storage.h"

namespace platter::cli {

SourceWatch::SourceWatch(std::span<const Chain> chains) {
  for (const Chain& chain : chains) {
    for (std::size_t depth = 0; depth < chain.depth(); ++depth) {
      for (std::shared_ptr<Storage>& storage : chain.layer(depth).files()) {
        struct stat status {};
        if (storage->fd() < 0 || fstat(storage->fd(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
        files_.push_back({std::move(storage), status.st_size, status.st_mtim});
      }
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
    return Error(ErrorKind::kIo, "the file was changed while it was read: a copy would be of no one state of it")
        .In(file.storage->name())
        .Try("stop what writes to it, or take a snapshot; -U copies it all the same");
  }
  return Done{};
}

}  // namespace platter::cli
