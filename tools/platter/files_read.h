// The files that are being read: a new image must not be made on any of them.
#pragma once

#include <string>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/storage.h"
#include "formats/open.h"

namespace platter::cli {

// By device and inode, so by whatever name a file goes. Locks say the same, but -U takes none.
class FilesRead {
 public:
  // All files of all layers: extents, data files and the like, too.
  void Add(const OpenedChain& chain);
  void Add(const Chain& chain);
  // True when the file at `path` is one of them; false when there is none.
  bool Has(const std::string& path) const;

 private:
  void Add(const Storage& file);

  std::vector<StorageIdentity> files_;
};

}  // namespace platter::cli
