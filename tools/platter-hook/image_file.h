// The file that is judged: opened once, by name or as the standard input.
#pragma once

#include <memory>
#include <string>

#include "formats/core/read_only_storage.h"
#include "tools/platter-hook/cpu_budget.h"

namespace platter::hook {

// Bytes of an open descriptor, which can be read anywhere: a regular file or a block device.
class ImageFile final : public ReadOnlyStorage {
 public:
  // `path`: "-" is the standard input. kIo; kUnsupported for a folder.
  static Result<std::shared_ptr<ImageFile>> Open(const std::string& path);
  ~ImageFile() override;

  // False for what comes front to back only, such as a pipe, and for a standard input that is not at its beginning:
  // size() is then 0.
  bool seekable() const noexcept { return seekable_; }
  // From now on what is read earns processor time; of a file no more than it has bytes. `budget` must outlive the
  // reads.
  void Earn(CpuBudget& budget) noexcept { budget_ = &budget; }
  // The bytes that follow; 0 at the end. kIo.
  Result<std::size_t> ReadNext(std::span<std::byte> out);

  std::uint64_t size() const noexcept override { return size_; }
  int fd() const noexcept override { return fd_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size_ - offset, true}; }

 private:
  // One name for all: what is said of an image does not depend on where it lies.
  explicit ImageFile(int fd) : ReadOnlyStorage("upload"), fd_(fd) {}
  Result<> Measure();
  void Count(std::uint64_t read) noexcept;

  int fd_;
  bool seekable_ = false;
  std::uint64_t size_ = 0;
  CpuBudget* budget_ = nullptr;
  std::uint64_t counted_ = 0;  // bytes that the budget has been told of
};

}  // namespace platter::hook
