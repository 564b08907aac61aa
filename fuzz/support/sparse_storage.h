// A host file in memory of which only the pages that were written take memory: images whose structures lie megabytes
// apart stay small, and a copy is cheap.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "formats/core/storage.h"

namespace platter::fuzz {

bool AllZero(std::span<const std::byte> bytes);
bool Same(std::span<const std::byte> a, std::span<const std::byte> b);

// One thread at a time.
class SparseStorage : public Storage {
 public:
  explicit SparseStorage(std::string name) : Storage(std::move(name)) {}

  // The file that a fuzzer's input stands for. The input is the file itself, or, where it starts with kPacked, its
  // size in sectors (u32) and its parts: sector (u32), length in bytes (u16), bytes; all numbers little-endian. Every
  // input is a file; none is longer than kLargestInput.
  static std::shared_ptr<SparseStorage> FromInput(std::span<const std::uint8_t> input);
  static constexpr char kPacked[] = "PLTRPACK";
  static constexpr std::uint64_t kLargestInput = std::uint64_t{64} << 20;

  std::shared_ptr<SparseStorage> Copy() const;
  // Calls so far that would have changed the file.
  std::uint64_t changes() const noexcept { return changes_; }

  std::uint64_t size() const noexcept override { return size_; }
  std::uint64_t allocated_size() const noexcept override { return pages_.size() * kPage; }
  bool writable() const noexcept override { return true; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  static constexpr std::uint64_t kPage = 4096;
  // A disk that is full: whatever is written beyond answers ENOSPC.
  static constexpr std::uint64_t kMostPages = (std::uint64_t{48} << 20) / kPage;
  static constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 43;

  Result<> Grow(std::uint64_t end);

  std::map<std::uint64_t, std::array<std::byte, kPage>> pages_;  // by number; what is not there reads as zero
  std::uint64_t size_ = 0;
  std::uint64_t changes_ = 0;
};

}  // namespace platter::fuzz
