// The metadata of a file system that is being made: blocks in memory, where everything that was not written is zeros.
#pragma once

#include <ext2fs/ext2fs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace platter::ext {

// One thread while it is written; reading is for many.
class BlockStore {
 public:
  static constexpr std::uint64_t kBlock = 4096;  // bytes

  void Read(std::uint64_t offset, std::span<std::byte> out) const;
  void Write(std::uint64_t offset, std::span<const std::byte> bytes);
  void Clear(std::uint64_t offset, std::uint64_t length);
  // The number of the first block from `block` on that holds something.
  std::optional<std::uint64_t> Next(std::uint64_t block) const;

 private:
  using Bytes = std::array<std::byte, kBlock>;
  std::map<std::uint64_t, std::unique_ptr<Bytes>> blocks_;
};

// The name under which libext2fs makes a file system in `store` through StoreManager; it must stay where it is.
std::string StoreName(BlockStore& store);
io_manager StoreManager() noexcept;

}  // namespace platter::ext
