// The way from libext2fs to our Storage: an I/O manager that reads a volume wherever it lies, and never writes.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "formats/core/error.h"
#include "formats/core/storage.h"

namespace platter::ext {

// What an open file system reads from. One thread at a time.
struct Volume {
  explicit Volume(std::shared_ptr<Storage> bytes) : storage(std::move(bytes)) {}

  std::shared_ptr<Storage> storage;
  // Bytes that may still be read: a file system whose structures run in circles comes to an end.
  std::uint64_t budget = std::uint64_t{8} << 30;
  std::optional<Error> failure = std::nullopt;  // the first read that failed, which libext2fs cannot carry
};

// The name under which `volume` is opened through VolumeManager; it must stay where it is while it is open.
std::string VolumeName(const Volume& volume);
io_manager VolumeManager() noexcept;

}  // namespace platter::ext
