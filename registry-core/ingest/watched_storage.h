// WatchedStorage: a stored file that is inspected for as long as somebody still wants to know.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "formats/core/read_only_storage.h"

namespace platter::registry {

class WatchedStorage final : public ReadOnlyStorage {
 public:
  // `ask` is called before each read, by the thread that reads, one at a time. Its first error ends all reads from then
  // on, with kIo: that is what ends an inspection at once, and is none of its findings.
  WatchedStorage(std::shared_ptr<Storage> file, std::function<Result<>()> ask)
      : ReadOnlyStorage(file->name()), file_(std::move(file)), ask_(std::move(ask)) {}

  // What `ask` said that ended it; empty: it went on. Not while somebody reads.
  std::optional<Error> TakeEnd() { return std::move(end_); }

  std::uint64_t size() const noexcept override { return file_->size(); }
  std::uint64_t allocated_size() const noexcept override { return file_->allocated_size(); }
  std::optional<StorageIdentity> identity() const noexcept override { return file_->identity(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    PLATTER_CHECK(Ask());
    return file_->ReadAt(offset, out);
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override {
    PLATTER_CHECK(Ask());
    return file_->DataMap(offset);
  }

 private:
  Result<> Ask() {
    const std::lock_guard lock(mutex_);
    if (!end_) {
      auto asked = ask_();
      if (asked.ok()) return Done{};
      end_ = std::move(asked).error();
    }
    return Error(ErrorKind::kIo, "nobody wants it any more");
  }

  const std::shared_ptr<Storage> file_;
  const std::function<Result<>()> ask_;
  std::mutex mutex_;
  std::optional<Error> end_;
};

}  // namespace platter::registry
