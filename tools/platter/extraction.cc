#include "tools/platter/extraction.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

namespace platter::cli {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kMostFolders = 100'000;  // whose times are set
constexpr std::size_t kLongestName = 255;
constexpr std::uint32_t kPermissions = 0777;
constexpr std::uint32_t kOwnFolder = 0700;  // what it takes to extract into a folder
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> components;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    std::string component = path.substr(at, slash - at);
    if (!component.empty() && component != ".") components.push_back(std::move(component));
    at = slash + 1;
  }
  return components;
}

// "" where the name can be one component of a path on the host.
std::string_view WhyUnsafe(std::string_view name) {
  if (name.empty()) return "it has no name";
  if (name == "." || name == "..") return "its name stands for another folder";
  if (name.find('/') != std::string_view::npos) return "its name holds a slash";
  if (name.find('\0') != std::string_view::npos) return "its name holds a zero byte";
  return name.size() > kLongestName ? "its name is too long" : "";
}

Error HostError(std::string_view what) { return Error::FromErrno(errno, std::string(what)); }

std::array<timespec, 2> TimesOf(std::int64_t modified) { return {timespec{0, UTIME_OMIT}, timespec{modified, 0}}; }

}  // namespace

Extraction::Extraction(FileTree& tree, const std::atomic<bool>& interrupted,
                       std::function<void(const std::string& path, const std::string& why)> complain)
    : tree_(tree), interrupted_(interrupted), complain_(std::move(complain)) {}

Extraction::~Extraction() {
  if (parent_ >= 0) close(parent_);
  if (folder_ >= 0) close(folder_);
}

Result<> Extraction::OpenFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), kPermissions) != 0 && errno != EEXIST)
    return HostError("cannot make the folder").In(folder);
  folder_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) return HostError("cannot open the folder").In(folder);
  return Done{};
}

Result<int> Extraction::OpenBelow(const std::vector<std::string>& components) const {
  int at = dup(folder_);
  for (const std::string& component : components) {
    if (at < 0) break;
    const int next = WhyUnsafe(component).empty() ? openat(at, component.c_str(), kFolderFlags) : -1;
    close(at);
    at = next;
  }
  if (at < 0) return HostError("cannot open the folder it belongs into");
  return at;
}

Result<> Extraction::MakeFolders(const std::vector<std::string>& components) {
  std::vector<std::string> above;
  for (const std::string& component : components) {
    if (const auto why = WhyUnsafe(component); !why.empty()) return Error(ErrorKind::kInvalid, std::string(why));
    const int parent = PLATTER_TRY(OpenBelow(above));
    const bool made = mkdirat(parent, component.c_str(), kPermissions) == 0 || errno == EEXIST;
    const int reason = errno;
    close(parent);
    if (!made) return Error::FromErrno(reason, "cannot make a folder");
    above.push_back(component);
  }
  return Done{};
}

Result<> Extraction::Extract(const std::string& path) {
  const TreeEntry top = PLATTER_TRY(FindEntry(tree_, path, false));
  const std::vector<std::string> components = Components(path);
  const std::string clean = fmt::format("{}", fmt::join(components, "/"));
  if (!components.empty()) {
    auto made = MakeFolders({components.begin(), components.end() - 1});
    if (!made.ok()) return std::move(made).error().In(path);
    if (!PLATTER_TRY(Take(clean, top))) return Done{};
  }
  if (top.kind != FileKind::kDirectory) return Done{};
  TreeVisitor visitor;
  visitor.enter = [](const std::string&, const TreeEntry&) { return Result<>(Done{}); };
  visitor.entry = [this](const std::string& at, const TreeEntry& entry) { return Take(at, entry); };
  visitor.broken = [this](const std::string& at, const Error& error) { complain_(at, error.Describe()); };
  return WalkTree(tree_, top, clean, {}, visitor);
}

Result<bool> Extraction::Take(const std::string& path, const TreeEntry& entry) {
  if (interrupted_.load(std::memory_order_relaxed)) return Error(ErrorKind::kCancelled, "interrupted");
  // The entry's own name may hold slashes; what stands before it is a path that has been made component by component.
  const std::string name = entry.name.empty() ? path : entry.name;
  const std::string parent_path = path.substr(0, path.size() - std::min(path.size(), name.size() + 1));
  if (const auto why = WhyUnsafe(name); !why.empty()) {
    complain_(path, std::string(why));
    return false;
  }
  if (parent_ < 0 || parent_path != parent_path_) {
    if (parent_ >= 0) close(parent_);
    parent_ = -1;
    auto parent = OpenBelow(Components(parent_path));
    if (!parent.ok()) {
      complain_(path, parent.error().what());
      return false;
    }
    parent_ = parent.value();
    parent_path_ = parent_path;
  }
  auto made = Make(parent_, name, path, entry);
  if (made.ok() && !entry.damage.empty()) complain_(path, entry.damage);
  if (made.ok()) return true;
  // A full disk does not get better by going on.
  const bool hopeless = made.error().kind() == ErrorKind::kCancelled || made.error().os_error() == ENOSPC;
  if (hopeless) return std::move(made).error();
  complain_(path, made.error().Describe());
  return false;
}

Result<> Extraction::Make(int parent, const std::string& name, const std::string& path, const TreeEntry& entry) {
  switch (entry.kind) {
    case FileKind::kRegular:
      return MakeFile(parent, name, path, entry);
    case FileKind::kDirectory: {
      const bool made = mkdirat(parent, name.c_str(), (entry.mode & kPermissions) | kOwnFolder) == 0;
      struct stat status {};
      if (!made && (errno != EEXIST || fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)) {
        return HostError("cannot make the folder");
      }
      if (!made && !S_ISDIR(status.st_mode)) return Error(ErrorKind::kInvalid, "it is there already, and no folder");
      if (made && folders_.size() < kMostFolders) folders_.push_back({path, entry.modified});
      return Done{};
    }
    case FileKind::kSymbolicLink: {
      if (entry.target.empty() && !entry.damage.empty()) return Error(ErrorKind::kCorrupt, entry.damage);
      if (symlinkat(entry.target.c_str(), parent, name.c_str()) != 0) return HostError("cannot make the symbolic link");
      const auto times = TimesOf(entry.modified);
      utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
      return Done{};
    }
    default:
      return Error(ErrorKind::kUnsupported, fmt::format("a {} is not extracted", FileKindName(entry.kind)));
  }
}

Result<> Extraction::MakeFile(int parent, const std::string& name, const std::string& path, const TreeEntry& entry) {
  const int file = openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return HostError("cannot make the file");
  auto filled = Fill(file, entry);
  const auto times = TimesOf(entry.modified);
  if (filled.ok() && fchmod(file, entry.mode & kPermissions) != 0) filled = HostError("cannot set the file's mode");
  if (filled.ok()) futimens(file, times.data());
  if (close(file) != 0 && filled.ok()) filled = HostError("cannot write");
  if (!filled.ok()) unlinkat(parent, name.c_str(), 0);
  if (!filled.ok() && filled.error().kind() == ErrorKind::kCancelled) return std::move(filled).error().In(path);
  return filled;
}

// Holes stay holes.
Result<> Extraction::Fill(int file, const TreeEntry& entry) {
  const auto content = PLATTER_TRY(tree_.OpenFile(entry));
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < content->size();) {
    if (interrupted_.load(std::memory_order_relaxed)) return Error(ErrorKind::kCancelled, "interrupted");
    const DataRun run = PLATTER_TRY(content->DataMap(at));
    if (!run.data) {
      at += run.length;
      continue;
    }
    piece.resize(std::min<std::uint64_t>(kPiece, run.length));
    PLATTER_CHECK(content->ReadAt(at, piece));
    for (std::span<const std::byte> rest = piece; !rest.empty();) {
      const ssize_t written = pwrite(file, rest.data(), rest.size(), static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return HostError("cannot write");
      rest = rest.subspan(static_cast<std::size_t>(written));
      at += static_cast<std::uint64_t>(written);
    }
  }
  if (ftruncate(file, static_cast<off_t>(content->size())) != 0) return HostError("cannot write");
  return Done{};
}

void Extraction::Finish() {
  // The deepest first: setting the time of a folder does not touch its parent's.
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    const auto opened = OpenBelow(Components(folder->path));
    if (!opened.ok()) continue;
    const auto times = TimesOf(folder->modified);
    futimens(opened.value(), times.data());
    close(opened.value());
  }
  folders_.clear();
}

}  // namespace platter::cli
