// A file as its log would make it, without a change to the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "formats/core/storage.h"
#include "formats/vhdx/log.h"

namespace platter::vhdx {

// Read only.
class ReplayedStorage : public Storage {
 public:
  ReplayedStorage(std::shared_ptr<Storage> file, LogChanges changes);

  std::uint64_t size() const noexcept override { return changes_.file_size; }
  std::uint64_t allocated_size() const noexcept override { return file_->allocated_size(); }
  bool writable() const noexcept override { return false; }
  std::optional<StorageIdentity> identity() const noexcept override { return file_->identity(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  std::shared_ptr<Storage> file_;
  LogChanges changes_;
};

// Does to the file what its log says, and empties the log. An interruption at any write leaves a file whose log can
// still be replayed. Requires: `changes` are those of pair.header(); the storage is writable.
Result<> ReplayInPlace(Storage& storage, HeaderPair& pair, const LogChanges& changes);

}  // namespace platter::vhdx
