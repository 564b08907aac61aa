// A host file or block device as Storage.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "formats/core/storage.h"

namespace platter {

// qemu's cache modes: which of the host's caches an image goes through, and whether a flush means anything.
enum class CacheMode : std::uint8_t {
  kWriteback,     // page cache; Sync flushes
  kNone,          // O_DIRECT; Sync flushes
  kWritethrough,  // page cache; every write is on the disk when it returns
  kDirectSync,    // O_DIRECT; every write is on the disk when it returns
  kUnsafe,        // page cache; Sync does nothing
};

// "writeback", "none", "writethrough", "directsync", "unsafe"; kInvalid for anything else.
Result<CacheMode> ParseCacheMode(std::string_view name);

struct FileMode {
  enum class Access : std::uint8_t {
    kRead,
    kReadWrite,  // must exist
    // Made when missing. A file that exists is empty from here on, on the host with the first change or Sync: what is
    // refused before anything is written leaves it as it was. A device keeps its content.
    kCreate,
  };
  Access access = Access::kRead;
  CacheMode cache = CacheMode::kWriteback;
  // Take the advisory locks by which qemu processes keep off each other's images (formats/core/file_lock.h).
  bool lock = true;
  // Once it is true, every write ends with kCancelled. Borrowed; may be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Which file `path` leads to, as Storage::identity() of what is opened there: a device is the same by any of its nodes.
// Empty when there is none.
std::optional<StorageIdentity> IdentityOf(const std::string& path);

// size() is read when the file is opened. Safe from many threads as Storage says.
class FileStorage : public Storage {
 public:
  // kIo with the errno of open(2), kUnsupported for what is neither a regular file nor a block device, kDenied when
  // another process has locked the file. The descriptor is close-on-exec.
  static Result<std::shared_ptr<FileStorage>> Open(const std::string& path, const FileMode& mode);

  ~FileStorage() override;

  std::uint64_t size() const noexcept override { return size_.load(std::memory_order_relaxed); }
  std::uint64_t allocated_size() const noexcept override;
  int fd() const noexcept override { return fd_; }
  bool writable() const noexcept override { return mode_.access != FileMode::Access::kRead; }
  bool is_device() const noexcept override { return device_; }
  std::optional<StorageIdentity> identity() const noexcept override { return identity_; }
  bool CopyInHost(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
                  std::uint64_t length) override;
  bool Reflink(const Storage& source, std::uint64_t source_offset, std::uint64_t offset, std::uint64_t length) override;
  std::uint64_t ReflinkUnit(const Storage& source) const override;
  // The file that Open made, behind all links, so that what fails later may remove it; "" when it was there.
  const std::string& created_path() const noexcept { return created_path_; }
  // True when a file that Open was to create exists, and has all that it had.
  bool untouched() const noexcept { return to_empty_.load(std::memory_order_acquire); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override;

 private:
  FileStorage(std::string path, FileMode mode) : Storage(std::move(path)), mode_(mode) {}

  Result<> OpenDescriptors();
  // The descriptor of a file that is to be made, or replaced.
  Result<int> OpenOrMake(int flags);
  Result<> Identify();
  // The descriptor that may serve this request: O_DIRECT wants aligned offsets, lengths and addresses.
  int DescriptorFor(std::uint64_t offset, const void* bytes, std::size_t length) const noexcept;
  Error HostError(int os_error, const char* activity, std::uint64_t offset) const;
  // Before every change.
  Result<> EmptyFirst();
  void Grow(std::uint64_t end) noexcept;
  void ReserveFor(std::uint64_t offset, std::uint64_t length) noexcept;
  Result<> CheckCancelled() const;
  Result<> WriteAll(std::uint64_t offset, std::span<const std::byte> bytes);
  Result<> WriteZeros(std::uint64_t offset, std::uint64_t length);

  FileMode mode_;
  int fd_ = -1;
  int direct_fd_ = -1;  // a second descriptor with O_DIRECT, for cache modes none and directsync
  bool device_ = false;
  std::string created_path_;
  bool reserves_ = false;  // space for large writes is reserved first
  std::optional<StorageIdentity> identity_;
  std::atomic<std::uint64_t> size_{0};
  std::atomic<bool> to_empty_{false};
  std::mutex write_mutex_;
};

}  // namespace platter
