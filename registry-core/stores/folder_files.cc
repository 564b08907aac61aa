#include "registry-core/stores/folder_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <random>
#include <utility>

#include "formats/core/read_only_storage.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t kFolderMode = 0750;
constexpr std::size_t kIdLength = 36;
constexpr std::size_t kRandomLength = 16;

Error NotFound() { return Error(ErrorKind::kNotFound, "the store has no such object"); }
Error Denied() { return Error(ErrorKind::kDenied, "the path leads through a link, or through what is no folder"); }

Error OpenError(int os_error) {
  if (os_error == ENOENT) return NotFound();
  if (os_error == ELOOP || os_error == ENOTDIR || os_error == ENXIO) return Denied();
  return Error::FromErrno(os_error, "cannot open an object of the store");
}

bool IsHex(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

struct CloseFolder {
  void operator()(DIR* names) const noexcept { closedir(names); }
};

class ObjectStorage final : public ReadOnlyStorage {
 public:
  ObjectStorage(std::shared_ptr<const Descriptor> file, std::shared_ptr<const std::atomic<std::uint64_t>> size,
                std::string name)
      : ReadOnlyStorage(std::move(name)), file_(std::move(file)), size_(std::move(size)) {}

  std::uint64_t size() const noexcept override { return size_->load(std::memory_order_acquire); }
  int fd() const noexcept override { return file_->get(); }
  std::uint64_t allocated_size() const noexcept override {
    struct stat status {};
    if (fstat(file_->get(), &status) != 0) return size();
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t got = pread(file_->get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Error::FromErrno(errno, fmt::format("read failed at offset {}", offset)).In(name());
      if (got == 0) {
        return Error(ErrorKind::kIo, fmt::format("file ends at offset {}: it shrank while it was read", offset))
            .In(name());
      }
      offset += static_cast<std::uint64_t>(got);
      out = out.subspan(static_cast<std::size_t>(got));
    }
    return Done{};
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override {
    const std::uint64_t end = size();
    const off_t data = lseek(file_->get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) return DataRun{end - offset, errno != ENXIO};
    if (static_cast<std::uint64_t>(data) > offset) {
      return DataRun{std::min(static_cast<std::uint64_t>(data), end) - offset, false};
    }
    const off_t hole = lseek(file_->get(), static_cast<off_t>(offset), SEEK_HOLE);
    if (hole < 0 || static_cast<std::uint64_t>(hole) <= offset) return DataRun{end - offset, true};
    return DataRun{std::min(static_cast<std::uint64_t>(hole), end) - offset, true};
  }

 private:
  const std::shared_ptr<const Descriptor> file_;
  const std::shared_ptr<const std::atomic<std::uint64_t>> size_;
};

Result<> MakeFolder(int parent, const std::string& name, const struct stat& like) {
  const bool made = mkdirat(parent, name.c_str(), kFolderMode) == 0;
  if (!made && errno != EEXIST) return Error::FromErrno(errno, "cannot make a folder of the store");
  // Refused to everybody but root, whose folders they would otherwise stay.
  if (made) (void)fchownat(parent, name.c_str(), like.st_uid, like.st_gid, AT_SYMLINK_NOFOLLOW);
  // One that is there may have been made by somebody who has not come to this yet.
  return SyncFolder(parent);
}

Result<Parent> WalkTo(int root, std::string_view path, const struct stat* make_like) {
  Parent parent{Descriptor(openat(root, ".", kFolderFlags)), {}};
  if (!parent.folder.open()) return OpenError(errno);
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    if (slash == std::string_view::npos) {
      parent.name = name;
      return parent;
    }
    if (make_like != nullptr) PLATTER_CHECK(MakeFolder(parent.folder.get(), name, *make_like));
    Descriptor next(openat(parent.folder.get(), name.c_str(), kFolderFlags));
    if (!next.open()) return OpenError(errno);
    parent.folder = std::move(next);
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<Parent> OpenParent(int root, std::string_view path) { return WalkTo(root, path, nullptr); }

Result<Parent> MakeParent(int root, std::string_view path, const struct stat& like) {
  return WalkTo(root, path, &like);
}

Result<Descriptor> OpenObject(int root, std::string_view path, int flags) {
  const Parent parent = PLATTER_TRY(OpenParent(root, path));
  Descriptor file(openat(parent.folder.get(), parent.name.c_str(),
                         flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));  // a FIFO is refused, not waited for
  if (!file.open()) return OpenError(errno);
  const struct stat status = PLATTER_TRY(StatusOf(file.get()));
  if (!S_ISREG(status.st_mode)) return Error(ErrorKind::kDenied, "the path leads to something that is no file");
  return file;
}

Result<struct stat> StatusOf(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Error::FromErrno(errno, "cannot stat a file of the store");
  return status;
}

Result<> SyncFolder(int fd) {
  if (fsync(fd) != 0) return Error::FromErrno(errno, "cannot make a folder of the store durable");
  return Done{};
}

std::optional<ObjectName> ParseObjectName(std::string_view name) {
  if (name.size() < kIdLength || !IsIdentifier(name.substr(0, kIdLength))) return std::nullopt;
  ObjectName object{std::string(name.substr(0, kIdLength)), {}};
  name.remove_prefix(kIdLength);
  if (name.empty()) return object;
  if (name.size() != kRandomLength + 1 || name[0] != '.' || !IsHex(name.substr(1))) return std::nullopt;
  object.random = name.substr(1);
  return object;
}

std::string NewRandom() {
  std::random_device device;
  const std::uint64_t high = device();
  return fmt::format("{:016x}", high << 32 | device());
}

std::string PathOf(std::string_view id) { return fmt::format("{}/{}/{}", id.substr(0, 2), id.substr(2, 2), id); }

Result<Lock> TryLock(int fd) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Lock::kBusy;
    if (errno != EINTR) return Error::FromErrno(errno, "cannot lock a file of the store");
  }
  return Lock::kTaken;
}

Result<> ForEachName(int folder, const std::function<Result<>(const std::string&)>& visit) {
  const int copy = openat(folder, ".", kFolderFlags);
  if (copy < 0) return OpenError(errno);
  const std::unique_ptr<DIR, CloseFolder> names(fdopendir(copy));
  if (!names) {
    close(copy);
    return Error::FromErrno(errno, "cannot list a folder of the store");
  }
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(names.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") PLATTER_CHECK(visit(name));
  }
  if (errno != 0) return Error::FromErrno(errno, "cannot list a folder of the store");
  return Done{};
}

Result<std::string> FinalPathOf(const StoreFolder& folder, const ObjectName& mark, const struct stat& file) {
  for (const std::string& path : {PathOf(mark.id), PathOf(mark.id) + "." + mark.random, mark.id}) {
    auto parent = OpenParent(folder.root.get(), path);
    if (!parent.ok() && parent.error().kind() == ErrorKind::kIo) return std::move(parent).error();
    if (!parent.ok()) continue;
    struct stat status {};
    if (fstatat(parent.value().folder.get(), parent.value().name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return Error::FromErrno(errno, "cannot stat a file of the store");
      continue;
    }
    if (status.st_dev == file.st_dev && status.st_ino == file.st_ino) return path;
  }
  return std::string();
}

std::shared_ptr<Storage> MakeObjectStorage(std::shared_ptr<const Descriptor> file,
                                           std::shared_ptr<const std::atomic<std::uint64_t>> size, std::string name) {
  return std::make_shared<ObjectStorage>(std::move(file), std::move(size), std::move(name));
}

}  // namespace platter::registry
