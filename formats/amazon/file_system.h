// File systems that fill a volume: what an ami holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::amazon {

struct FileSystem {
  std::string_view type;              // "ext2", "ext3", "ext4", "xfs", "btrfs", "squashfs"
  std::string label;                  // "" when it has none
  std::string uuid;                   // lower case; "" when it has none
  std::uint64_t size = 0;             // bytes, by the superblock
  std::uint64_t block_size = 0;       // bytes
  std::string reason;                 // by what it was recognised
  std::vector<std::string> findings;  // fields that lie, a volume that is cut: a line each

  bool ext() const noexcept { return type.starts_with("ext"); }
};

// Empty where the volume starts with no superblock that we know. An ext superblock with impossible fields is none: its
// magic number is two bytes. kIo.
Result<std::optional<FileSystem>> RecogniseFileSystem(Storage& volume);

}  // namespace platter::amazon
