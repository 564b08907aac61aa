// What an open FileSystem holds.
#pragma once

#include <ext2fs/ext2fs.h>
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "formats/core/error.h"
#include "formats/core/result.h"
#include "formats/ext/file_system.h"
#include "formats/ext/volume.h"

namespace platter::ext {

struct FileSystem::State {
  State(std::shared_ptr<Storage> storage, std::uint64_t budget) : volume(std::move(storage), budget) {}
  ~State() {
    if (fs != nullptr) ext2fs_close_free(&fs);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The error behind `code`: the host's where it was the host's.
  Error Failure(errcode_t code, std::string what) {
    if (volume.failure) return std::move(*volume.failure);
    if (code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_RO_UNSUPP_FEATURE) {
      return Error(ErrorKind::kUnsupported, fmt::format("{}: {}", what, error_message(code)));
    }
    if (code == EXT2_ET_NO_MEMORY) return Error(ErrorKind::kLimit, fmt::format("{}: {}", what, error_message(code)));
    const auto kind = code == EXT2_ET_BAD_MAGIC ? ErrorKind::kNotThisFormat : ErrorKind::kCorrupt;
    return Error(kind, fmt::format("{}: {}", what, error_message(code)));
  }

  // Of an encrypted inode everything that is read is ciphertext: content, a link's target, names.
  Result<> CheckPlain(std::uint32_t inode) {
    ext2_inode bytes{};
    const auto code = ext2fs_read_inode(fs, inode, &bytes);
    if (code != 0) return Failure(code, fmt::format("reading inode {}", inode));
    if ((bytes.i_flags & EXT4_ENCRYPT_FL) == 0) return Done{};
    return Error(ErrorKind::kUnsupported, fmt::format("inode {} is encrypted", inode))
        .At("inode", "i_flags")
        .Found(bytes.i_flags);
  }

  Volume volume;
  ext2_filsys fs = nullptr;
};

}  // namespace platter::ext
