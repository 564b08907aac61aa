#include "formats/core/file_storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/file_lock.h"

namespace platter {
namespace {

// The largest logical block that O_DIRECT wants requests aligned to on the hosts we know.
constexpr std::uint64_t kDirectAlignment = 4096;
constexpr mode_t kCreateMode = 0644;
// From so many bytes on a write to a new file has its space reserved first.
constexpr std::uint64_t kReserveFrom = std::uint64_t{64} << 10;

constexpr std::array<std::pair<std::string_view, CacheMode>, 6> kCacheModes = {{
    {"writeback", CacheMode::kWriteback},
    {"none", CacheMode::kNone},
    {"off", CacheMode::kNone},
    {"writethrough", CacheMode::kWritethrough},
    {"directsync", CacheMode::kDirectSync},
    {"unsafe", CacheMode::kUnsafe},
}};

bool BypassesPageCache(CacheMode cache) { return cache == CacheMode::kNone || cache == CacheMode::kDirectSync; }

// Where reserving space in one call costs less than finding it page by page while writing (docs/performance.md). Others
// may fill what they reserve with zeros, or not compress it.
bool ReservesCheaply(int fd) {
  struct statfs host {};
  if (fstatfs(fd, &host) != 0) return false;
  return host.f_type == EXT4_SUPER_MAGIC;
}

int OpenFlags(const FileMode& mode) {
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // a FIFO is refused below, not waited for
  flags |= mode.access == FileMode::Access::kRead ? O_RDONLY : O_RDWR;
  if (mode.cache == CacheMode::kWritethrough || mode.cache == CacheMode::kDirectSync) flags |= O_DSYNC;
  return flags;
}

StorageIdentity IdentityFrom(const struct stat& status) {
  constexpr std::uint64_t kNoInode = ~std::uint64_t{0};
  return S_ISBLK(status.st_mode) ? StorageIdentity{status.st_rdev, kNoInode}
                                 : StorageIdentity{status.st_dev, status.st_ino};
}

}  // namespace

std::optional<StorageIdentity> IdentityOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return IdentityFrom(status);
}

Result<CacheMode> ParseCacheMode(std::string_view name) {
  for (const auto& [spelling, mode] : kCacheModes) {
    if (spelling == name) return mode;
  }
  return Error(ErrorKind::kInvalid, fmt::format("invalid cache mode '{}'", name))
      .Allowed("none, writeback, writethrough, directsync, unsafe");
}

Result<std::shared_ptr<FileStorage>> FileStorage::Open(const std::string& path, const FileMode& mode) {
  std::shared_ptr<FileStorage> storage(new FileStorage(path, mode));
  auto opened = storage->OpenDescriptors();
  if (!opened.ok()) return std::move(opened).error().In(path);
  return storage;
}

Result<> FileStorage::OpenDescriptors() {
  const bool create = mode_.access == FileMode::Access::kCreate;
  const int flags = OpenFlags(mode_);
  fd_ = create ? PLATTER_TRY(OpenOrMake(flags)) : open(name().c_str(), flags);
  if (fd_ < 0) return Error::FromErrno(errno, "cannot open the file");
  PLATTER_CHECK(Identify());
  if (mode_.lock) {
    PLATTER_CHECK(LockImage(fd_, mode_.access == FileMode::Access::kRead ? LockIntent::kRead : LockIntent::kWrite));
  }
  if (create && !device_ && size() != 0) {
    to_empty_ = true;
    size_ = 0;
  }
  reserves_ = create && !device_ && ReservesCheaply(fd_);
  if (!BypassesPageCache(mode_.cache)) return Done{};
  direct_fd_ = open(name().c_str(), flags | O_DIRECT);
  if (direct_fd_ < 0) return Error::FromErrno(errno, "cannot open the file with O_DIRECT");
  return Done{};
}

Result<int> FileStorage::OpenOrMake(int flags) {
  int fd = open(name().c_str(), flags | O_CREAT | O_EXCL, kCreateMode);
  if (fd >= 0) created_path_ = name();
  if (fd >= 0) return fd;
  if (errno != EEXIST) return Error::FromErrno(errno, "cannot create the file");
  fd = open(name().c_str(), flags);
  if (fd >= 0 || errno != ENOENT) return fd;
  // A symbolic link to a file that is not there yet.
  fd = open(name().c_str(), flags | O_CREAT, kCreateMode);
  if (fd < 0) return fd;
  const std::unique_ptr<char, decltype(&std::free)> target(realpath(name().c_str(), nullptr), &std::free);
  if (target != nullptr) created_path_ = target.get();
  return fd;
}

Result<> FileStorage::Identify() {
  struct stat status {};
  if (fstat(fd_, &status) != 0) return Error::FromErrno(errno, "cannot stat the file");
  identity_ = IdentityFrom(status);
  if (S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return Done{};
  }
  if (S_ISDIR(status.st_mode)) return Error::FromErrno(EISDIR, "cannot read as an image");
  if (!S_ISBLK(status.st_mode)) {
    return Error(ErrorKind::kUnsupported, "neither a regular file nor a block device");
  }
  device_ = true;
  std::uint64_t bytes = 0;
  if (ioctl(fd_, BLKGETSIZE64, &bytes) != 0) return Error::FromErrno(errno, "cannot tell the device's size");
  size_ = bytes;
  return Done{};
}

FileStorage::~FileStorage() {
  if (direct_fd_ >= 0) close(direct_fd_);
  if (fd_ >= 0) close(fd_);
}

std::uint64_t FileStorage::allocated_size() const noexcept {
  struct stat status {};
  if (fstat(fd_, &status) != 0) return size();
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

int FileStorage::DescriptorFor(std::uint64_t offset, const void* bytes, std::size_t length) const noexcept {
  if (direct_fd_ < 0) return fd_;
  const auto address = reinterpret_cast<std::uintptr_t>(bytes);
  return IsAligned(offset | length | address, kDirectAlignment) ? direct_fd_ : fd_;
}

Error FileStorage::HostError(int os_error, const char* activity, std::uint64_t offset) const {
  return Error::FromErrno(os_error, fmt::format("{} at offset {}", activity, offset)).In(name());
}

Result<> FileStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const int fd = DescriptorFor(offset, out.data(), out.size());
    const ssize_t got = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return HostError(errno, "read failed", offset);
    if (got == 0) {
      return Error(ErrorKind::kIo, fmt::format("file ends at offset {}: it shrank while it was read", offset))
          .In(name());
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return Done{};
}

Result<> FileStorage::EmptyFirst() {
  if (!untouched()) return Done{};
  const std::lock_guard lock(write_mutex_);
  if (!untouched()) return Done{};
  if (ftruncate(fd_, 0) != 0) return Error::FromErrno(errno, "cannot empty the file").In(name());
  to_empty_.store(false, std::memory_order_release);
  return Done{};
}

void FileStorage::Grow(std::uint64_t end) noexcept {
  std::uint64_t seen = size_.load(std::memory_order_relaxed);
  while (seen < end && !size_.compare_exchange_weak(seen, end, std::memory_order_relaxed)) {
  }
}

// Where there is no room for all of it the write finds out.
void FileStorage::ReserveFor(std::uint64_t offset, std::uint64_t length) noexcept {
  if (!reserves_ || length < kReserveFrom) return;
  // errno is nobody's: nothing is reported.
  static_cast<void>(fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)));
}

Result<> FileStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  PLATTER_CHECK(EmptyFirst());
  // The host lets one write at a time into its page cache, and spins where a mutex sleeps.
  std::unique_lock lock(write_mutex_, std::defer_lock);
  if (!device_ && DescriptorFor(offset, bytes.data(), bytes.size()) == fd_) lock.lock();
  ReserveFor(offset, bytes.size());
  return WriteAll(offset, bytes);
}

Result<> FileStorage::CheckCancelled() const {
  if (mode_.cancel == nullptr || !mode_.cancel->load(std::memory_order_relaxed)) return Done{};
  return Error(ErrorKind::kCancelled, "cancelled").In(name());
}

Result<> FileStorage::WriteAll(std::uint64_t offset, std::span<const std::byte> bytes) {
  PLATTER_CHECK(CheckCancelled());
  while (!bytes.empty()) {
    const int fd = DescriptorFor(offset, bytes.data(), bytes.size());
    const ssize_t put = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return HostError(errno, "write failed", offset);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    Grow(offset);
  }
  return Done{};
}

bool FileStorage::CopyInHost(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
                             std::uint64_t length) {
  if (source.fd() < 0 || !FitsWithin(source_offset, length, source.size()) || !EmptyFirst().ok()) return false;
  auto from = static_cast<off_t>(source_offset);
  auto to = static_cast<off_t>(offset);
  while (length > 0) {
    const ssize_t copied = copy_file_range(source.fd(), &from, fd_, &to, length, 0);
    if (copied <= 0) return false;
    length -= static_cast<std::uint64_t>(copied);
    Grow(static_cast<std::uint64_t>(to));
  }
  return true;
}

bool FileStorage::Reflink(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
                          std::uint64_t length) {
  if (source.fd() < 0 || !FitsWithin(source_offset, length, source.size()) || !EmptyFirst().ok()) return false;
  const file_clone_range range{source.fd(), source_offset, length, offset};
  if (ioctl(fd_, FICLONERANGE, &range) != 0) return false;
  Grow(offset + length);
  return true;
}

std::uint64_t FileStorage::ReflinkUnit(const Storage& source) const {
  struct statvfs host {};
  if (device_ || source.fd() < 0 || fstatvfs(fd_, &host) != 0) return 0;
  // From the end of the file on there is nothing to share, which only a file system that can share agrees to.
  const file_clone_range nothing{source.fd(), source.size(), 0, 0};
  return ioctl(fd_, FICLONERANGE, &nothing) == 0 ? host.f_bsize : 0;
}

Result<> FileStorage::DoResize(std::uint64_t size) {
  if (device_) {
    if (size <= this->size()) return Done{};
    return Error(ErrorKind::kInvalid, fmt::format("the device has {} bytes, {} are needed", this->size(), size))
        .In(name());
  }
  const auto set = [&]() -> Result<> {
    if (ftruncate(fd_, static_cast<off_t>(size)) == 0) return Done{};
    return HostError(errno, "cannot set the file's size", size);
  };
  // One that is to be emptied keeps what is in it where the host refuses the new size.
  if (untouched()) PLATTER_CHECK(set());
  PLATTER_CHECK(EmptyFirst());
  PLATTER_CHECK(set());
  size_ = size;
  return Done{};
}

Result<> FileStorage::WriteZeros(std::uint64_t offset, std::uint64_t length) {
  alignas(kDirectAlignment) static constexpr std::array<std::byte, 65536> kZeros{};
  while (length > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(length, kZeros.size());
    PLATTER_CHECK(DoWrite(offset, std::span(kZeros).first(part)));
    offset += part;
    length -= part;
  }
  return Done{};
}

Result<> FileStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(EmptyFirst());
  if (!device_ && offset + length > size()) {
    // Not by setting the size: that would cut off what another thread has written behind it since size() was read.
    PLATTER_CHECK(DoWrite(offset + length - 1, std::array{std::byte{0}}));
  }
  const int kept = FALLOC_FL_KEEP_SIZE;
  if (fallocate(fd_, FALLOC_FL_PUNCH_HOLE | kept, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
    return Done{};
  }
  if (fallocate(fd_, FALLOC_FL_ZERO_RANGE | kept, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
    return Done{};
  }
  return WriteZeros(offset, length);
}

Result<> FileStorage::DoAllocate(std::uint64_t offset, std::uint64_t length) {
  if (device_) return Done{};
  PLATTER_CHECK(EmptyFirst());
  const int failure = posix_fallocate(fd_, static_cast<off_t>(offset), static_cast<off_t>(length));
  if (failure == EINTR) PLATTER_CHECK(CheckCancelled());
  if (failure != 0) return HostError(failure, "cannot reserve space", offset);
  Grow(offset + length);
  return Done{};
}

Result<DataRun> FileStorage::DoDataMap(std::uint64_t offset) {
  const std::uint64_t end = size();
  if (device_) return DataRun{end - offset, true};
  const off_t data = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0 && errno == ENXIO) {
    // No data up to the file's end, which may have moved since it was opened.
    struct stat status {};
    if (fstat(fd_, &status) != 0) return HostError(errno, "cannot stat the file", offset);
    if (static_cast<std::uint64_t>(status.st_size) >= end) return DataRun{end - offset, false};
    return Error(ErrorKind::kIo, fmt::format("file ends at offset {}: it shrank while it was read", status.st_size))
        .In(name());
  }
  if (data < 0) return DataRun{end - offset, true};
  if (static_cast<std::uint64_t>(data) > offset) {
    return DataRun{std::min(static_cast<std::uint64_t>(data), end) - offset, false};
  }
  const off_t hole = lseek(fd_, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole < 0 || static_cast<std::uint64_t>(hole) <= offset) return DataRun{end - offset, true};
  return DataRun{std::min(static_cast<std::uint64_t>(hole), end) - offset, true};
}

Result<> FileStorage::DoSync() {
  PLATTER_CHECK(EmptyFirst());
  if (mode_.cache == CacheMode::kUnsafe) return Done{};
  if (fdatasync(fd_) != 0) return HostError(errno, "flush failed", 0);
  return Done{};
}

}  // namespace platter
