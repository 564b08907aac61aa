// Notices files that change while they are read.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <memory>
#include <vector>

#include "formats/core/result.h"
#include "formats/open.h"
#include "tools/platter/open_arguments.h"

namespace platter::cli {

// Regular files, by size and time of the last change. For one thread.
class SourceWatch {
 public:
  // The files of all layers, as they are now.
  void Add(const OpenedChain& chain);
  // kIo when one of them is no longer as it was, or the host cannot tell.
  Result<> Unchanged() const;

 private:
  struct File {
    std::shared_ptr<Storage> storage;
    off_t size;
    timespec modified;
  };
  std::vector<File> files_;
};

// As OpenImage, and watches what it opens: unless others may write to it (-U, force-share=on), and never as qemu-img,
// which does not look.
Result<OpenedChain> OpenWatched(const ImageSource& source, SourceWatch& watch);
Result<OpenedChain> OpenWatched(const ImageArgument& argument, SourceWatch& watch);

}  // namespace platter::cli
