#include "formats/core/file_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

namespace platter {
namespace {

constexpr int kMostLinks = 40;  // followed for one path, as Linux does
constexpr std::size_t kMostComponents = 10000;
constexpr std::size_t kMostLevels = 1000;
// What a directory that waits for its turn takes beside its text; and one that has been walked.
constexpr std::uint64_t kPendingBytes = 256;
constexpr std::uint64_t kWalkedBytes = 48;

void PushComponents(std::deque<std::string>& front, std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") components.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  front.insert(front.begin(), components.begin(), components.end());
}

Result<std::optional<TreeEntry>> FindChild(FileTree& tree, const TreeEntry& directory, std::string_view name) {
  std::optional<TreeEntry> found;
  PLATTER_CHECK(tree.List(directory, [&](const TreeEntry& entry) -> Result<bool> {
    if (entry.name != name) return true;
    found = entry;
    return false;
  }));
  return found;
}

}  // namespace

std::string_view FileKindName(FileKind kind) noexcept {
  switch (kind) {
    case FileKind::kRegular:
      return "file";
    case FileKind::kDirectory:
      return "directory";
    case FileKind::kSymbolicLink:
      return "symlink";
    case FileKind::kBlockDevice:
      return "block-device";
    case FileKind::kCharacterDevice:
      return "character-device";
    case FileKind::kPipe:
      return "pipe";
    case FileKind::kSocket:
      return "socket";
  }
  return "unknown";
}

Result<TreeEntry> FindEntry(FileTree& tree, std::string_view path, bool follow_last) {
  std::vector<TreeEntry> trail = {PLATTER_TRY(tree.Root())};
  std::deque<std::string> rest;
  PushComponents(rest, path);
  int links = 0;
  const auto refuse = [&](const char* why) { return Error(ErrorKind::kInvalid, fmt::format("'{}': {}", path, why)); };
  while (!rest.empty()) {
    if (rest.size() + trail.size() > kMostComponents) return refuse("the path is too long");
    const std::string name = std::move(rest.front());
    rest.pop_front();
    if (trail.back().kind != FileKind::kDirectory) return refuse("not a directory");
    if (name == "..") {
      if (trail.size() > 1) trail.pop_back();
      continue;
    }
    auto child = PLATTER_TRY(FindChild(tree, trail.back(), name));
    if (!child) return refuse("no such file or directory");
    if (child->kind != FileKind::kSymbolicLink || (rest.empty() && !follow_last)) {
      trail.push_back(std::move(*child));
      continue;
    }
    if (++links > kMostLinks) return refuse("too many symbolic links");
    if (child->target.empty() && !child->damage.empty())
      return Error(ErrorKind::kCorrupt, child->damage).In(child->name);
    if (child->target.starts_with('/')) trail.resize(1);
    PushComponents(rest, child->target);
  }
  return std::move(trail.back());
}

namespace {

struct Pending {
  std::string path;
  TreeEntry directory;
  std::size_t level;

  std::uint64_t bytes() const noexcept { return kPendingBytes + path.size() + directory.name.size(); }
};

class Walk {
 public:
  Walk(FileTree& tree, const Limits& limits, const TreeVisitor& visitor)
      : tree_(tree), limits_(limits), visitor_(visitor) {}

  Result<> Run(const TreeEntry& top, const std::string& path) {
    PLATTER_CHECK(Push({path, top, 0}));
    while (!stack_.empty()) {
      const Pending next = std::move(stack_.back());
      stack_.pop_back();
      bytes_ -= next.bytes();
      PLATTER_CHECK(One(next));
    }
    return Done{};
  }

 private:
  Result<> Push(Pending pending) {
    bytes_ += pending.bytes();
    if (bytes_ > limits_.metadata_bytes) {
      return Error(ErrorKind::kLimit, "the directory tree is too large to walk")
          .Found(bytes_)
          .Allowed(fmt::format("up to {} bytes of pending directories", limits_.metadata_bytes));
    }
    stack_.push_back(std::move(pending));
    return Done{};
  }

  Result<> One(const Pending& next) {
    if (!walked_.insert(next.directory.inode).second) {
      visitor_.broken(next.path, Error(ErrorKind::kCorrupt, "the directory stands in the tree more than once"));
      return Done{};
    }
    bytes_ += kWalkedBytes;
    PLATTER_CHECK(visitor_.enter(next.path, next.directory));
    std::vector<Pending> below;
    std::optional<Error> stop;
    const auto listed = tree_.List(next.directory, [&](const TreeEntry& entry) -> Result<bool> {
      auto kept = Take(next, entry, below);
      if (!kept.ok()) stop = std::move(kept).error();
      return !stop;
    });
    if (stop) return std::move(*stop);
    // What the entry said already is not said twice.
    if (!listed.ok() && listed.error().Describe() != next.directory.damage) visitor_.broken(next.path, listed.error());
    for (auto at = below.rbegin(); at != below.rend(); ++at) {
      bytes_ -= at->bytes();
      PLATTER_CHECK(Push(std::move(*at)));
    }
    return Done{};
  }

  Result<> Take(const Pending& parent, const TreeEntry& entry, std::vector<Pending>& below) {
    std::string path = parent.path.empty() ? entry.name : parent.path + "/" + entry.name;
    const bool enter = PLATTER_TRY(visitor_.entry(path, entry));
    if (!enter || entry.kind != FileKind::kDirectory) return Done{};
    if (parent.level + 1 >= kMostLevels) {
      return Error(ErrorKind::kLimit, "directories are nested too deeply").Allowed(fmt::format("{}", kMostLevels));
    }
    below.push_back({std::move(path), entry, parent.level + 1});
    bytes_ += below.back().bytes();
    if (bytes_ <= limits_.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "the directory tree is too large to walk");
  }

  FileTree& tree_;
  const Limits& limits_;
  const TreeVisitor& visitor_;
  std::vector<Pending> stack_;
  std::unordered_set<std::uint64_t> walked_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<> WalkTree(FileTree& tree, const TreeEntry& top, const std::string& path, const Limits& limits,
                  const TreeVisitor& visitor) {
  return Walk(tree, limits, visitor).Run(top, path);
}

}  // namespace platter
