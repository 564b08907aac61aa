#include "registry-core/stores/file_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "convert/kernels/zero_scan.h"
#include "formats/core/checked.h"

namespace platter::registry {
namespace {

constexpr std::uint64_t kUnit = std::uint64_t{64} << 10;      // of holes
constexpr std::uint64_t kHintBytes = std::uint64_t{8} << 20;  // that the host is told to write at once
constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int64_t>::max();
constexpr mode_t kMode = 0666;

Error WriteError(int os_error) { return Error::FromErrno(os_error, "cannot write to the store"); }

// Whether the name in .incoming is still this file's: a sweep may have removed it before it was locked.
Result<bool> LockNew(int fd) {
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return Error::FromErrno(errno, "cannot lock a file of the store");
  }
  return PLATTER_TRY(StatusOf(fd)).st_nlink != 0;
}

}  // namespace

Result<std::unique_ptr<FileWriter>> FileWriter::Make(std::shared_ptr<const StoreFolder> folder,
                                                     std::string_view image_id, const FileStoreOptions& options) {
  std::unique_ptr<FileWriter> writer(new FileWriter(std::move(folder), image_id, options.sparse));
  PLATTER_CHECK(writer->MakeFile(options.file_mode));
  return writer;
}

Result<> FileWriter::MakeFile(std::uint32_t mode) {
  const int incoming = folder_->incoming.get();
  do {
    mark_.random = NewRandom();
    Descriptor file(openat(incoming, MarkName().c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!file.open() && errno == EEXIST) continue;
    if (!file.open()) return Error::FromErrno(incoming < 0 ? EROFS : errno, "cannot make a file in the store");
    if (PLATTER_TRY(LockNew(file.get()))) file_ = std::make_shared<Descriptor>(std::move(file));
  } while (!file_);
  const struct stat owner = PLATTER_TRY(StatusOf(folder_->root.get()));
  (void)fchown(file_->get(), owner.st_uid, owner.st_gid);  // refused to everybody but root
  if (mode != 0 && fchmod(file_->get(), mode) != 0) {
    return Error::FromErrno(errno, "cannot set the mode of a file in the store");
  }
  carry_.reserve(kUnit);
  return Done{};
}

FileWriter::~FileWriter() {
  if (!file_) return;
  if (!left_) Remove();
  Unlock();
}

void FileWriter::Remove() noexcept {
  if (!final_path_.empty()) {
    const auto parent = OpenParent(folder_->root.get(), final_path_);
    if (parent.ok()) unlinkat(parent.value().folder.get(), parent.value().name.c_str(), 0);
  }
  unlinkat(folder_->incoming.get(), MarkName().c_str(), 0);
}

void FileWriter::Unlock() noexcept {
  flock(file_->get(), LOCK_UN);  // at once, however long somebody keeps what Written gave
  file_.reset();
}

Result<> FileWriter::TakeRoom(std::uint64_t count) {
  if (failed_) return WriteError(*failed_);
  if (!FitsWithin(position_, count, kMostBytes)) {
    return Error(ErrorKind::kLimit, "the image is larger than any file can be")
        .Found(position_)
        .Allowed(std::to_string(kMostBytes));
  }
  position_ += count;
  return Done{};
}

Result<> FileWriter::Write(std::span<const std::byte> bytes) {
  PLATTER_CHECK(TakeRoom(bytes.size()));
  while (!bytes.empty()) {
    const bool whole = carry_.empty() && bytes.size() >= kUnit;
    const std::size_t taken = whole ? AlignDown<std::uint64_t>(bytes.size(), kUnit)
                                    : std::min<std::size_t>(bytes.size(), kUnit - carry_.size());
    PLATTER_CHECK(whole ? Store(bytes.first(taken)) : AddToCarry(bytes.first(taken)));
    bytes = bytes.subspan(taken);
  }
  return Done{};
}

Result<> FileWriter::WriteZeros(std::uint64_t count) {
  static constexpr std::array<std::byte, kUnit> kZeros{};
  PLATTER_CHECK(TakeRoom(count));
  while (count > 0) {
    if (carry_.empty() && count >= kUnit && sparse_) {
      stored_ += AlignDown(count, kUnit);
      count -= AlignDown(count, kUnit);
      continue;
    }
    const std::uint64_t taken = std::min(count, kUnit - carry_.size());
    PLATTER_CHECK(AddToCarry(std::span(kZeros).first(taken)));
    count -= taken;
  }
  return Done{};
}

Result<> FileWriter::AddToCarry(std::span<const std::byte> bytes) {
  carry_.insert(carry_.end(), bytes.begin(), bytes.end());
  if (carry_.size() < kUnit) return Done{};
  PLATTER_CHECK(Store(carry_));
  carry_.clear();
  return Done{};
}

Result<> FileWriter::Store(std::span<const std::byte> units) {
  while (!units.empty()) {
    std::size_t data = 0;  // bytes in front of the next hole
    while (data < units.size() && !(sparse_ && kernels::IsZero(units.subspan(data, kUnit)))) data += kUnit;
    if (data != 0) PLATTER_CHECK(WriteOut(stored_, units.first(data)));
    const std::size_t done = std::min<std::size_t>(data + kUnit, units.size());
    stored_ += done;
    units = units.subspan(done);
  }
  return Done{};
}

Result<> FileWriter::WriteOut(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(file_->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      failed_ = errno;
      return WriteError(*failed_);
    }
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  HintAt(offset);
  return Done{};
}

void FileWriter::HintAt(std::uint64_t end) noexcept {
  if (end < hinted_ + kHintBytes) return;
  // A file system that cannot leaves it all to Commit.
  (void)sync_file_range(file_->get(), static_cast<off_t>(hinted_), static_cast<off_t>(end - hinted_),
                        SYNC_FILE_RANGE_WRITE);
  hinted_ = end;
}

Result<> FileWriter::Flush() {
  if (failed_) return WriteError(*failed_);
  if (!carry_.empty() && !(sparse_ && kernels::IsZero(carry_))) PLATTER_CHECK(WriteOut(stored_, carry_));
  if (ftruncate(file_->get(), static_cast<off_t>(position_)) != 0) {
    failed_ = errno;
    return WriteError(*failed_);
  }
  size_->store(position_, std::memory_order_release);
  return Done{};
}

std::shared_ptr<Storage> FileWriter::Written() {
  // What could not be written is not there to be read; Commit says why.
  if (!Flush().ok()) return nullptr;
  return MakeObjectStorage(file_, size_, "image " + mark_.id);
}

Result<std::string> FileWriter::Commit() {
  PLATTER_CHECK(Flush());
  if (fdatasync(file_->get()) != 0) return WriteError(errno);
  // The name in .incoming is what a sweep finds the object by: it must not be lost when the object's own name is not.
  PLATTER_CHECK(SyncFolder(folder_->incoming.get()));
  final_path_ = PLATTER_TRY(Link());
  return fmt::format("file://{}/{}", folder_->path, final_path_);
}

Result<std::string> FileWriter::Link() {
  const struct stat owner = PLATTER_TRY(StatusOf(folder_->root.get()));
  std::string path = PathOf(mark_.id);
  const Parent parent = PLATTER_TRY(MakeParent(folder_->root.get(), path, owner));
  const auto link_as = [&](const std::string& name) {
    return linkat(folder_->incoming.get(), MarkName().c_str(), parent.folder.get(), name.c_str(), 0);
  };
  if (link_as(parent.name) != 0) {
    // Something that was never swept, or a copy that somebody else made: it may be what a record names.
    if (errno != EEXIST || link_as(MarkName()) != 0) {
      return Error::FromErrno(errno, "cannot name a file of the store");
    }
    path += "." + mark_.random;
  }
  auto synced = SyncFolder(parent.folder.get());
  if (synced.ok()) return path;
  unlinkat(parent.folder.get(), path.substr(path.rfind('/') + 1).c_str(), 0);
  return std::move(synced).error();
}

Result<> FileWriter::Settle() {
  const bool gone = unlinkat(folder_->incoming.get(), MarkName().c_str(), 0) == 0;
  const int os_error = errno;
  Unlock();
  if (!gone && os_error != ENOENT) return Error::FromErrno(os_error, "cannot end a write to the store");
  return Done{};
}

}  // namespace platter::registry
