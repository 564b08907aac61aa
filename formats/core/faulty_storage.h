// Wraps a Storage and makes it fail on demand: the faults that no real disk produces when a test asks for them.
#pragma once

#include <atomic>
#include <limits>
#include <memory>

#include "formats/core/storage.h"

namespace platter {

// Which call fails, counted from 0 over the life of the storage, and how. kNever: none.
struct FaultPlan {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t fail_read = kNever;           // that ReadAt answers `os_error`
  std::uint64_t fail_write = kNever;          // that WriteAt, Resize, Punch or Allocate answers `os_error`
  std::uint64_t torn_write = kNever;          // that WriteAt stores its first half, then answers `os_error`
  std::uint64_t crash_before_write = kNever;  // that write and all later ones store nothing and answer `os_error`
  std::uint64_t fail_sync = kNever;           // that Sync answers `os_error`
  std::uint64_t capacity = kNever;            // a write that would grow the file past this many bytes answers ENOSPC
  std::uint64_t shrink_to = kNever;           // reads past this offset answer as a file that shrank
  int os_error = 5;                           // EIO
};

// Thread-safe as its base is.
class FaultyStorage : public Storage {
 public:
  FaultyStorage(std::shared_ptr<Storage> base, FaultPlan plan);

  std::uint64_t size() const noexcept override { return base_->size(); }
  bool writable() const noexcept override { return base_->writable(); }
  bool is_device() const noexcept override { return base_->is_device(); }
  std::uint64_t allocated_size() const noexcept override { return base_->allocated_size(); }

  std::uint64_t read_count() const noexcept { return reads_.load(); }
  std::uint64_t write_count() const noexcept { return writes_.load(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override;

 private:
  Error Fault(const char* activity) const;
  // Counts one write-like call that ends at `end`; fails it when the plan says so.
  Result<> AdmitWrite(std::uint64_t call, std::uint64_t end);

  std::shared_ptr<Storage> base_;
  FaultPlan plan_;
  std::atomic<std::uint64_t> reads_{0};
  std::atomic<std::uint64_t> writes_{0};
  std::atomic<std::uint64_t> syncs_{0};
};

}  // namespace platter
