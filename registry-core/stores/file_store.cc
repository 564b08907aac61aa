#include "registry-core/stores/file_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "formats/core/checked.h"
#include "registry-core/model/image_record.h"
#include "registry-core/stores/file_writer.h"
#include "registry-core/stores/folder_files.h"

namespace platter::registry {
namespace {

constexpr std::string_view kScheme = "file://";
constexpr mode_t kIncomingMode = 0700;
constexpr int kLockTries = 500;
constexpr std::chrono::milliseconds kLockPause{10};

std::optional<Capacity> CapacityOf(int fd) {
  struct statvfs host {};
  if (fstatvfs(fd, &host) != 0) return std::nullopt;
  return Capacity{host.f_blocks * host.f_frsize, host.f_bavail * host.f_frsize};
}

// Whether a file in this folder can have a second name.
Result<> TryHardLink(const StoreFolder& folder) {
  const std::string one = "probe-" + NewRandom();
  const std::string two = "probe-" + NewRandom();
  const int incoming = folder.incoming.get();
  const Descriptor file(openat(incoming, one.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.open()) {
    if (errno == EROFS || errno == EACCES || errno == EPERM || errno == ENOSPC || errno == EDQUOT) return Done{};
    return Error::FromErrno(errno, "cannot make a file in the store");
  }
  const bool linked = linkat(incoming, one.c_str(), incoming, two.c_str(), 0) == 0;
  const int os_error = errno;
  unlinkat(incoming, one.c_str(), 0);
  if (!linked && (os_error == EPERM || os_error == EOPNOTSUPP || os_error == ENOSYS)) {
    return Error(ErrorKind::kUnsupported, "the store's file system has no hard links");
  }
  if (linked) unlinkat(incoming, two.c_str(), 0);
  return Done{};
}

Result<std::shared_ptr<const StoreFolder>> OpenFolder(const FileStoreOptions::Folder& wanted) {
  auto folder = std::make_shared<StoreFolder>();
  folder->path = std::filesystem::path(wanted.path).lexically_normal().string();
  while (folder->path.ends_with('/')) folder->path.pop_back();
  if (!wanted.path.starts_with('/') || folder->path.empty()) {
    return Error(ErrorKind::kInvalid, "a store's folder needs an absolute path").Found(wanted.path);
  }
  folder->priority = wanted.priority;
  std::error_code error;
  std::filesystem::create_directories(folder->path, error);
  // Through a link where the administrator put one: only what is below is anybody else's.
  folder->root = Descriptor(open(folder->path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder->root.open()) return Error::FromErrno(errno, "cannot open the store's folder").In(folder->path);
  const std::string incoming(kIncoming);
  const bool made = mkdirat(folder->root.get(), incoming.c_str(), kIncomingMode) == 0;
  // A store that nothing can be put into now is still one to read from.
  if (!made && (errno == EROFS || errno == EACCES || errno == EPERM)) {
    return std::shared_ptr<const StoreFolder>(std::move(folder));
  }
  if (!made && errno != EEXIST) return Error::FromErrno(errno, "cannot make the folder .incoming").In(folder->path);
  folder->incoming =
      Descriptor(openat(folder->root.get(), incoming.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder->incoming.open()) return Error::FromErrno(errno, "cannot open the folder .incoming").In(folder->path);
  if (made) {
    const struct stat owner = PLATTER_TRY(StatusOf(folder->root.get()));
    (void)fchown(folder->incoming.get(), owner.st_uid, owner.st_gid);  // refused to everybody but root
    PLATTER_CHECK(SyncFolder(folder->root.get()));
  }
  auto linked = TryHardLink(*folder);
  if (!linked.ok()) return std::move(linked).error().In(folder->path);
  return std::shared_ptr<const StoreFolder>(std::move(folder));
}

class FileReader final : public StoreReader {
 public:
  FileReader(Descriptor file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  std::uint64_t size() const noexcept override { return size_; }
  int fd() const noexcept override { return file_.get(); }
  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset >= size_ || out.empty()) return std::size_t{0};
    for (;;) {
      const ssize_t got = pread(file_.get(), out.data(), std::min<std::uint64_t>(out.size(), size_ - offset),
                                static_cast<off_t>(offset));
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) return Error(ErrorKind::kIo, "an object of the store shrank while it was read").Found(offset);
      if (errno != EINTR) return Error::FromErrno(errno, "cannot read from the store");
    }
  }

 private:
  const Descriptor file_;
  const std::uint64_t size_;
};

class FileRemoval final : public StoreRemoval {
 public:
  FileRemoval(std::shared_ptr<const StoreFolder> folder, Parent parent, Descriptor file)
      : folder_(std::move(folder)), parent_(std::move(parent)), file_(std::move(file)) {}
  ~FileRemoval() override {
    if (!mark_.empty()) unlinkat(folder_->incoming.get(), mark_.c_str(), 0);
  }

  // A second name for what is to go, so that a sweep sees it. Only for names that a store has given. kIo where nothing
  // can be removed at all.
  Result<> Mark() {
    if (!folder_->incoming.open()) return Error::FromErrno(EROFS, "the store's folder cannot be written");
    const auto name = ParseObjectName(parent_.name);
    if (!name) return Done{};
    std::string mark = name->id + "." + (name->random.empty() ? NewRandom() : name->random);
    const bool marked =
        linkat(parent_.folder.get(), parent_.name.c_str(), folder_->incoming.get(), mark.c_str(), 0) == 0;
    if (!marked && (errno == EROFS || errno == EACCES)) {
      return Error::FromErrno(errno, "cannot remove an object of the store");
    }
    // EEXIST: from a removal that never came to its end. Where files of others cannot be linked, there is no mark.
    if (marked || errno == EEXIST) mark_ = std::move(mark);
    return Done{};
  }

  Result<> Finish() override {
    if (unlinkat(parent_.folder.get(), parent_.name.c_str(), 0) != 0 && errno != ENOENT) {
      const int os_error = errno;
      mark_.clear();  // stays
      return Error::FromErrno(os_error, "cannot remove an object of the store");
    }
    return SyncFolder(parent_.folder.get());
  }
  void Leave() noexcept override { mark_.clear(); }

 private:
  const std::shared_ptr<const StoreFolder> folder_;
  const Parent parent_;
  const Descriptor file_;  // locked
  std::string mark_;       // its name in .incoming
};

Result<Descriptor> OpenLocked(int root, std::string_view path, int tries) {
  for (int attempt = 1;; ++attempt) {
    auto file = OpenObject(root, path, O_RDWR);  // some file systems lock only what may be written
    if (!file.ok() && file.error().kind() == ErrorKind::kIo) file = OpenObject(root, path, O_RDONLY);
    if (!file.ok()) return file;
    if (PLATTER_TRY(TryLock(file.value().get())) == Lock::kTaken) {
      // Still a file with a name? Whoever had the lock may have removed it.
      if (PLATTER_TRY(StatusOf(file.value().get())).st_nlink != 0) return file;
      return Error(ErrorKind::kNotFound, "the store has no such object");
    }
    if (attempt == tries) return Error(ErrorKind::kConflict, "somebody else works on an object of the store");
    std::this_thread::sleep_for(kLockPause);
  }
}

Result<> ListUnfinished(const StoreFolder& folder, const std::function<Result<>(const Store::Listed&)>& visit) {
  if (!folder.incoming.open()) return Done{};
  return ForEachName(folder.incoming.get(), [&](const std::string& name) -> Result<> {
    const auto mark = ParseObjectName(name);
    if (!mark || mark->random.empty()) return Done{};
    auto file = OpenObject(folder.incoming.get(), name, O_RDWR);
    if (!file.ok() && file.error().kind() == ErrorKind::kIo) file = OpenObject(folder.incoming.get(), name, O_RDONLY);
    if (!file.ok() && file.error().kind() != ErrorKind::kIo) return Done{};  // it has just come to its end
    if (!file.ok()) return std::move(file).error();
    const bool busy = PLATTER_TRY(TryLock(file.value().get())) == Lock::kBusy;
    const struct stat status = PLATTER_TRY(StatusOf(file.value().get()));
    const std::string path = PLATTER_TRY(FinalPathOf(folder, *mark, status));
    file.value().Close();
    return visit({path.empty() ? "" : fmt::format("file://{}/{}", folder.path, path), mark->id, true, busy,
                  fmt::format("{}/{}", folder.path, name)});
  });
}

// The finished ones in `parent`, which is folder.path + `prefix`.
Result<> ListObjects(const StoreFolder& folder, int parent, const std::string& prefix,
                     const std::function<Result<>(const Store::Listed&)>& visit) {
  return ForEachName(parent, [&](const std::string& name) -> Result<> {
    const auto object = ParseObjectName(name);
    if (!object || (!prefix.empty() && !PathOf(object->id).starts_with(prefix))) return Done{};
    struct stat status {};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return Done{};
      return Error::FromErrno(errno, "cannot stat a file of the store");
    }
    // With a second name it is unfinished, and was listed so.
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1) return Done{};
    return visit({fmt::format("file://{}/{}{}", folder.path, prefix, name), object->id, false, false, {}});
  });
}

bool IsFanOut(const std::string& name) noexcept {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<> ListFanOut(const StoreFolder& folder, int parent, const std::string& prefix,
                    const std::function<Result<>(const Store::Listed&)>& visit) {
  return ForEachName(parent, [&](const std::string& name) -> Result<> {
    if (!IsFanOut(name)) return Done{};
    auto below = OpenParent(parent, name + "/.");
    if (!below.ok() && below.error().kind() == ErrorKind::kIo) return std::move(below).error();
    if (!below.ok()) return Done{};
    const int fd = below.value().folder.get();
    const std::string path = fmt::format("{}{}/", prefix, name);
    return prefix.empty() ? ListFanOut(folder, fd, path, visit) : ListObjects(folder, fd, path, visit);
  });
}

// The objects of one image in a folder: where new ones lie, and where Glance keeps them.
Result<> FindObjects(const StoreFolder& folder, const std::string& id, std::vector<std::string>& urls) {
  const auto look_at = [&](int parent, const std::string& name, const std::string& prefix) -> Result<> {
    struct stat status {};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return Done{};
      return Error::FromErrno(errno, "cannot stat a file of the store");
    }
    if (S_ISREG(status.st_mode)) urls.push_back(fmt::format("file://{}/{}{}", folder.path, prefix, name));
    return Done{};
  };
  PLATTER_CHECK(look_at(folder.root.get(), id, ""));
  const std::string path = PathOf(id);
  auto parent = OpenParent(folder.root.get(), path);
  if (!parent.ok() && parent.error().kind() == ErrorKind::kIo) return std::move(parent).error();
  if (!parent.ok()) return Done{};
  const int fd = parent.value().folder.get();
  return ForEachName(fd, [&](const std::string& name) -> Result<> {
    const auto object = ParseObjectName(name);
    if (!object || object->id != id) return Done{};
    return look_at(fd, name, path.substr(0, path.size() - id.size()));
  });
}

}  // namespace

Result<std::shared_ptr<FileStore>> FileStore::Open(FileStoreOptions options) {
  if (options.folders.empty()) return Error(ErrorKind::kInvalid, "a file store needs a folder").In(options.name);
  Folders folders;
  for (const FileStoreOptions::Folder& folder : options.folders) folders.push_back(PLATTER_TRY(OpenFolder(folder)));
  std::ranges::stable_sort(folders, std::ranges::greater{}, [](const auto& folder) { return folder->priority; });
  return std::shared_ptr<FileStore>(new FileStore(std::move(options), std::move(folders)));
}

bool FileStore::Owns(std::string_view url) const {
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  return std::ranges::any_of(folders_, [&](const auto& folder) {
    return url.size() > folder->path.size() + 1 && url.starts_with(folder->path) && url[folder->path.size()] == '/';
  });
}

Result<FileStore::Place> FileStore::PlaceOf(std::string_view url) const {
  std::shared_ptr<const StoreFolder> longest;
  if (Owns(url)) {
    url.remove_prefix(kScheme.size());
    for (const auto& folder : folders_) {
      const std::string& path = folder->path;
      const bool below = url.starts_with(path) && url.size() > path.size() && url[path.size()] == '/';
      if (below && (!longest || path.size() > longest->path.size())) longest = folder;
    }
  }
  if (!longest) return Error(ErrorKind::kDenied, "the URL leads out of the store");
  const std::string path(url.substr(longest->path.size() + 1));
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = std::string_view(path).substr(begin, end - begin);
    const bool plain = !name.empty() && name != "." && name != ".." && name.find('\0') == std::string_view::npos;
    if (!plain || (begin == 0 && name == kIncoming)) {
      return Error(ErrorKind::kDenied, "the URL leads out of the store");
    }
    begin = end + 1;
  }
  return Place{std::move(longest), path};
}

// The best of `folders`, which are not none.
FileStore::Folders::iterator FileStore::FolderFor(std::optional<std::uint64_t> size_hint, Folders& folders) {
  auto best = folders.end();
  std::uint64_t best_free = 0;
  bool best_fits = false;
  for (auto at = folders.begin(); at != folders.end(); ++at) {
    const auto& folder = *at;
    const std::uint64_t free = CapacityOf(folder->root.get()).value_or(Capacity{}).free;
    const bool fits = free >= size_hint.value_or(0);
    const bool lower = best != folders.end() && folder->priority < (*best)->priority;
    // Where none has room for all of it, holes may still make it fit into the largest.
    if (best != folders.end() && (best_fits ? lower || !fits || free <= best_free : !fits && free <= best_free)) {
      continue;
    }
    best = at;
    best_free = free;
    best_fits = fits;
  }
  return best;
}

Result<std::unique_ptr<StoreWriter>> FileStore::Put(std::string_view image_id, std::optional<std::uint64_t> size_hint) {
  const auto id = ParseObjectName(image_id);
  if (!id || !id->random.empty()) {
    return Error(ErrorKind::kInvalid, "an image's id is no UUID").Found(std::string(image_id));
  }
  Folders folders = folders_;
  for (;;) {
    const auto folder = FolderFor(size_hint, folders);
    auto writer = FileWriter::Make(*folder, image_id, options_);
    if (writer.ok()) return std::unique_ptr<StoreWriter>(std::move(writer).value());
    // A folder that nothing can be put into now is passed over.
    const int os_error = writer.error().os_error();
    if ((os_error != EROFS && os_error != EACCES && os_error != EPERM) || folders.size() == 1) {
      return std::move(writer).error();
    }
    folders.erase(folder);
  }
}

Result<std::unique_ptr<StoreReader>> FileStore::Get(std::string_view url) {
  const Place place = PLATTER_TRY(PlaceOf(url));
  Descriptor file = PLATTER_TRY(OpenObject(place.folder->root.get(), place.path, O_RDONLY));
  const auto size = static_cast<std::uint64_t>(PLATTER_TRY(StatusOf(file.get())).st_size);
  return std::unique_ptr<StoreReader>(std::make_unique<FileReader>(std::move(file), size));
}

Result<std::shared_ptr<Storage>> FileStore::Open(std::string_view url) {
  const Place place = PLATTER_TRY(PlaceOf(url));
  Descriptor file = PLATTER_TRY(OpenObject(place.folder->root.get(), place.path, O_RDONLY));
  const auto size = static_cast<std::uint64_t>(PLATTER_TRY(StatusOf(file.get())).st_size);
  return MakeObjectStorage(std::make_shared<Descriptor>(std::move(file)),
                           std::make_shared<std::atomic<std::uint64_t>>(size),
                           "image " + place.path.substr(place.path.rfind('/') + 1));
}

Result<std::uint64_t> FileStore::SizeOf(std::string_view url) {
  const Place place = PLATTER_TRY(PlaceOf(url));
  const Descriptor file = PLATTER_TRY(OpenObject(place.folder->root.get(), place.path, O_RDONLY));
  return static_cast<std::uint64_t>(PLATTER_TRY(StatusOf(file.get())).st_size);
}

Result<std::unique_ptr<StoreRemoval>> FileStore::PrepareDelete(std::string_view url) {
  const Place place = PLATTER_TRY(PlaceOf(url));
  Descriptor file = PLATTER_TRY(OpenLocked(place.folder->root.get(), place.path, kLockTries));
  Parent parent = PLATTER_TRY(OpenParent(place.folder->root.get(), place.path));
  auto removal = std::make_unique<FileRemoval>(place.folder, std::move(parent), std::move(file));
  PLATTER_CHECK(removal->Mark());
  return std::unique_ptr<StoreRemoval>(std::move(removal));
}

std::optional<Capacity> FileStore::capacity() {
  Capacity sum;
  std::set<dev_t> seen;
  for (const auto& folder : folders_) {
    const auto status = StatusOf(folder->root.get());
    const auto capacity = CapacityOf(folder->root.get());
    if (!status.ok() || !capacity) return std::nullopt;
    if (!seen.insert(status.value().st_dev).second) continue;
    sum.total += capacity->total;
    sum.free += capacity->free;
  }
  return sum;
}

Result<> FileStore::List(Scope scope, const std::function<Result<>(const Listed&)>& visit) {
  for (const auto& folder : folders_) {
    PLATTER_CHECK(ListUnfinished(*folder, visit));
    if (scope == Scope::kUnfinished) continue;
    PLATTER_CHECK(ListObjects(*folder, folder->root.get(), "", visit));
    PLATTER_CHECK(ListFanOut(*folder, folder->root.get(), "", visit));
  }
  return Done{};
}

Result<std::vector<std::string>> FileStore::ObjectsOf(std::string_view image_id) {
  std::vector<std::string> urls;
  if (!IsIdentifier(image_id)) return urls;
  for (const auto& folder : folders_) PLATTER_CHECK(FindObjects(*folder, std::string(image_id), urls));
  return urls;
}

Result<> FileStore::Resolve(const Listed& unfinished, bool keep_object) {
  const std::size_t slash = unfinished.mark.rfind('/');
  const std::string path = unfinished.mark.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : unfinished.mark.substr(slash + 1);
  const auto folder = std::ranges::find_if(folders_, [&](const auto& each) { return each->path == path; });
  const auto mark = ParseObjectName(name);
  if (folder == folders_.end() || !mark) return Error(ErrorKind::kInvalid, "no such leftover").Found(unfinished.mark);
  const int incoming = (*folder)->incoming.get();
  auto file = OpenLocked(incoming, name, 1);
  if (!file.ok() && file.error().kind() == ErrorKind::kNotFound) return Done{};  // somebody was faster
  if (!file.ok()) return std::move(file).error();
  if (!keep_object) {
    const struct stat status = PLATTER_TRY(StatusOf(file.value().get()));
    const std::string final_path = PLATTER_TRY(FinalPathOf(**folder, *mark, status));
    if (!final_path.empty()) {
      const Parent parent = PLATTER_TRY(OpenParent((*folder)->root.get(), final_path));
      if (unlinkat(parent.folder.get(), parent.name.c_str(), 0) != 0 && errno != ENOENT) {
        return Error::FromErrno(errno, "cannot remove an object of the store");
      }
      PLATTER_CHECK(SyncFolder(parent.folder.get()));
    }
  }
  if (unlinkat(incoming, name.c_str(), 0) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "cannot remove a leftover of the store");
  }
  return Done{};
}

std::vector<std::pair<std::string, std::string>> FileStore::properties() const {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto& folder : folders_) shown.emplace_back("data_dir", folder->path);
  return shown;
}

}  // namespace platter::registry
