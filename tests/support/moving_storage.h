// A file in memory on a host that moves bytes: it copies them, and shares blocks, until it refuses.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "formats/core/memory_storage.h"

namespace platter::test {

class MovingStorage final : public MemoryStorage {
 public:
  static constexpr std::uint64_t kBlock = 4096;
  static constexpr std::uint64_t kNeverRefuses = ~std::uint64_t{0};

  // Moves that many bytes before it refuses.
  explicit MovingStorage(std::uint64_t refuses_after = kNeverRefuses) : left_(refuses_after) {}

  std::uint64_t ReflinkUnit(const Storage& /*source*/) const override { return kBlock; }
  bool Reflink(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
               std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    whole_blocks_ = whole_blocks_ && (source_offset | offset | length) % kBlock == 0;
    return Move(source, source_offset, offset, length, shared_);
  }
  bool CopyInHost(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
                  std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    return Move(source, source_offset, offset, length, copied_);
  }

  // Bytes.
  std::uint64_t shared() const { return shared_; }
  std::uint64_t copied() const { return copied_; }
  bool whole_blocks() const { return whole_blocks_; }

 private:
  bool Move(const Storage& source, std::uint64_t source_offset, std::uint64_t offset, std::uint64_t length,
            std::uint64_t& moved) {
    if (left_ < length) return false;
    left_ -= length;
    moved += length;
    std::vector<std::byte> bytes(length);
    return const_cast<Storage&>(source).ReadAt(source_offset, bytes).ok() && WriteAt(offset, bytes).ok();
  }

  std::mutex mutex_;
  std::uint64_t left_;
  std::uint64_t shared_ = 0;
  std::uint64_t copied_ = 0;
  bool whole_blocks_ = true;
};

}  // namespace platter::test
