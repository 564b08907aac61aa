// A new ext4 file system that holds a tree of files, made by libext2fs: as mke2fs makes it, with the defaults of its
// configuration in Debian 12, blocks of 4096 bytes and inodes of 256.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ext/tree.h"

namespace platter::ext {

// Where the content of files comes from. Thread rule: as Storage's reads.
class ContentSource {
 public:
  virtual ~ContentSource() = default;
  // `out` from byte `offset` of source number `source` on (TreeInode::source and offset).
  virtual Result<> ReadAt(std::uint32_t source, std::uint64_t offset, std::span<std::byte> out) = 0;
};

struct VolumeRequest {
  std::optional<std::uint64_t> size;  // bytes; empty: the content, a quarter of it free, at least 64 MiB
  std::string label;                  // at most 16 bytes
  std::array<std::uint8_t, 16> uuid{};
  // Of the file system itself, Unix time, 1 to 2^31 - 1.
  std::int64_t made = 1;
};

struct NewVolume {
  std::shared_ptr<Storage> bytes;       // for reading; what is neither file nor table is a hole
  std::uint64_t inodes = 0;             // in use, lost+found and the like included
  std::uint64_t unheld_attributes = 0;  // extended attributes that ext4 has no place for (TreeInode::Extra): left out
  std::uint64_t unheld_times = 0;       // times before 1901 or after 2446: the nearest one is taken
};

// Tables are made in memory, at once; the content is read when the volume is. The same tree and request give the same
// bytes. Files lie in the order of their places in their sources. kLimit where the content does not fit into the size,
// or attributes into an inode and a block; kInvalid for a label that is too long; kOutOfRange never.
Result<NewVolume> MakeVolume(const Tree& tree, const VolumeRequest& request, std::shared_ptr<ContentSource> content);

}  // namespace platter::ext
