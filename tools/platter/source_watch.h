// Notices files that change while they are read.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <memory>
#include <span>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/result.h"

namespace platter::cli {

// The regular files of the chains as they are at its start, by size and time of the last change. For one thread.
class SourceWatch {
 public:
  explicit SourceWatch(std::span<const Chain> chains);

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

}  // namespace platter::cli
