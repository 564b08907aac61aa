// A file that lives in memory: for tests, fuzzing, and metadata that is built before it is stored.
#pragma once

#include <atomic>
#include <shared_mutex>
#include <vector>

#include "formats/core/storage.h"

namespace platter {

class MemoryStorage : public Storage {
 public:
  explicit MemoryStorage(std::string name = "memory", std::vector<std::byte> bytes = {});

  std::uint64_t size() const noexcept override;
  bool writable() const noexcept override { return true; }
  // A copy of the content.
  std::vector<std::byte> Snapshot() const;

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  // kLimit beyond what a test or a fuzzer may ask of memory. Requires: mutex_ held for writing.
  Result<> GrowTo(std::uint64_t end);

  mutable std::shared_mutex mutex_;
  std::vector<std::byte> bytes_;
};

}  // namespace platter
