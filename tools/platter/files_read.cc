#include "tools/platter/files_read.h"

#include <algorithm>

#include "formats/core/file_storage.h"

namespace platter::cli {

void FilesRead::Add(const Storage& file) {
  if (const auto identity = file.identity()) files_.push_back(*identity);
}

void FilesRead::Add(const OpenedChain& chain) {
  for (const OpenedLayer& layer : chain.layers) {
    Add(*layer.storage);
    for (const auto& file : layer.image->files()) Add(*file);
  }
}

void FilesRead::Add(const Chain& chain) {
  for (std::size_t depth = 0; depth < chain.depth(); ++depth) {
    for (const auto& file : chain.layer(depth).files()) Add(*file);
  }
}

bool FilesRead::Has(const std::string& path) const {
  const auto identity = IdentityOf(path);
  return identity && std::ranges::find(files_, *identity) != files_.end();
}

}  // namespace platter::cli
