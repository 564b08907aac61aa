// The way from libext2fs to our Storage: an I/O manager that reads a volume wherever it lies, and never writes.
#pragma once

#include <ext2fs/ext2fs.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/error.h"
#include "formats/core/storage.h"

namespace platter::ext {

// What an open file system reads from. libext2fs asks block by block, and for the same tables again and again, while a
// compressed image inflates a whole cluster for each: so reads go through a few windows. One thread at a time.
class Volume {
 public:
  // `budget`: bytes that may be asked for in all: a file system whose structures run in circles comes to an end.
  Volume(std::shared_ptr<Storage> bytes, std::uint64_t budget) : storage_(std::move(bytes)), budget_(budget) {}

  // False when the range is not there, cannot be read (see `failure`), or the budget is used up.
  bool Read(std::uint64_t offset, std::span<std::byte> out);

  std::optional<Error> failure = std::nullopt;  // the first read that failed, which libext2fs cannot carry

 private:
  struct Window {
    std::uint64_t offset = 0;  // bytes, a multiple of kWindow
    std::uint64_t used = 0;    // when it was last read from; 0: empty
    std::vector<std::byte> bytes;
  };
  static constexpr std::uint64_t kWindow = std::uint64_t{256} << 10;

  const Window* WindowAt(std::uint64_t offset);

  std::shared_ptr<Storage> storage_;
  std::uint64_t budget_;
  std::uint64_t clock_ = 0;
  std::array<Window, 16> windows_;
};

// The name under which `volume` is opened through VolumeManager; it must stay where it is while it is open.
std::string VolumeName(Volume& volume);
io_manager VolumeManager() noexcept;

}  // namespace platter::ext
