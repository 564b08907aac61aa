#include "fuzz/support/tree_walk.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

constexpr std::size_t kMostEntries = 1000;
constexpr std::size_t kMostFiles = 32;

class Visitor {
 public:
  Visitor(FileTree& tree, const Limits& limits) : tree_(tree), limits_(limits) {}

  Result<> Walk(const TreeEntry& root) {
    const TreeVisitor visitor = {
        .enter = [](const std::string& /*path*/, const TreeEntry& /*directory*/) -> Result<> { return Done{}; },
        .entry = [this](const std::string& path, const TreeEntry& entry) { return Visit(path, entry); },
        .broken = [](const std::string& /*path*/, const Error& error) { Told(error); },
    };
    return WalkTree(tree_, root, "", limits_, visitor);
  }
  void FindAgain() {
    for (const std::string& path : paths_) {
      const auto found = FindEntry(tree_, path, true);
      if (!found.ok()) Told(found.error());
    }
  }

 private:
  Result<bool> Visit(const std::string& path, const TreeEntry& entry) {
    if (++count_ > kMostEntries) return Error(ErrorKind::kCancelled, "enough seen");
    if (paths_.size() < kMostFiles) paths_.push_back(path + "/" + entry.name);
    if (entry.kind == FileKind::kRegular && files_++ < kMostFiles) Read(entry);
    return true;
  }
  void Read(const TreeEntry& entry) {
    const auto file = tree_.OpenFile(entry);
    if (!file.ok()) return Told(file.error());
    const std::uint64_t size = file.value()->size();
    std::vector<std::byte> bytes(std::min<std::uint64_t>(size, 3000));
    for (const std::uint64_t at : {std::uint64_t{0}, size - bytes.size()}) {
      const auto read = file.value()->ReadAt(at, bytes);
      if (!read.ok()) Told(read.error());
    }
  }

  FileTree& tree_;
  const Limits& limits_;
  std::vector<std::string> paths_;
  std::size_t count_ = 0;
  std::size_t files_ = 0;
};

}  // namespace

void LookAtTree(FileTree& tree, const Limits& limits) {
  const auto root = tree.Root();
  if (!root.ok()) return Told(root.error());
  Visitor visitor(tree, limits);
  const auto walked = visitor.Walk(root.value());
  if (!walked.ok()) Told(walked.error());
  visitor.FindAgain();
}

}  // namespace platter::fuzz
