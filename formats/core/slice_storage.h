// A contiguous part of another Storage, seen as a file of its own: raw's offset= and size=, a disk inside a tar.
#pragma once

#include <memory>

#include "formats/core/storage.h"

namespace platter {

class SliceStorage : public Storage {
 public:
  // kOutOfRange unless [offset, offset + length) lies inside `whole`. The slice keeps `whole` open, never resizes it,
  // and is writable when `whole` is.
  static Result<std::shared_ptr<SliceStorage>> Make(std::shared_ptr<Storage> whole, std::uint64_t offset,
                                                    std::uint64_t length);

  std::uint64_t size() const noexcept override { return length_; }
  bool writable() const noexcept override { return whole_->writable(); }
  // What it held before does not read as zero, and its size is fixed: a slice behaves as a device.
  bool is_device() const noexcept override { return true; }
  std::uint64_t allocated_size() const noexcept override { return whole_->allocated_size(); }
  std::optional<StorageIdentity> identity() const noexcept override { return whole_->identity(); }

  std::uint64_t offset() const noexcept { return offset_; }
  const std::shared_ptr<Storage>& whole() const noexcept { return whole_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return whole_->Sync(); }

 private:
  SliceStorage(std::shared_ptr<Storage> whole, std::uint64_t offset, std::uint64_t length);

  std::shared_ptr<Storage> whole_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

}  // namespace platter
