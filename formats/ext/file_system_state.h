// What an open FileSystem holds.
#pragma once

#include <ext2fs/ext2fs.h>
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "formats/core/error.h"
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

  Volume volume;
  ext2_filsys fs = nullptr;
};

}  // namespace platter::ext
