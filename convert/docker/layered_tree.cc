#include "convert/docker/layered_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/containers/docker/layer.h"

namespace platter::docker {
namespace {

using ext::Tree;
using ext::TreeInode;
using tar::FullMember;
using tar::MemberType;

constexpr std::size_t kLongestPath = 4096;  // bytes; Linux has no longer ones
constexpr unsigned kMostLinks = 40;         // in one path, as Linux has it

Error Refused(ErrorKind kind, std::string what, std::string_view field, std::string_view found) {
  return Error(kind, std::move(what)).At("layer", std::string(field)).Found(std::string(found.substr(0, 256)));
}

// The names between the slashes of a member's name.
Result<std::vector<std::string_view>> SplitName(std::string_view path, std::string_view field) {
  if (path.size() > kLongestPath) {
    return Refused(ErrorKind::kLimit, "a member's name is too long", field, path).Allowed("at most 4096 bytes");
  }
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return Refused(ErrorKind::kCorrupt, "a name leads out of the image", field, path);
    names.push_back(name);
  }
  return names;
}

// aufs' own files, which mean nothing to anyone else.
bool IsMeta(std::string_view name) { return name.starts_with(kWhiteoutMeta) && name != kOpaque; }

}  // namespace

Result<> LayeredTree::Apply(const FullMember& full) {
  auto names = SplitName(full.member.name, "name");
  if (!names.ok()) return std::move(names).error();
  auto done = ApplyNamed(full, std::move(names).value());
  if (done.ok()) return done;
  return std::move(done).error().While("laying '" + full.member.name.substr(0, 256) + "' over the layers below");
}

Result<> LayeredTree::ApplyNamed(const FullMember& full, std::vector<std::string_view> names) {
  if (std::ranges::any_of(names, IsMeta)) return Done{};
  if (names.empty()) {
    if (full.member.type != MemberType::kFolder) {
      return Refused(ErrorKind::kCorrupt, "the root of the image is no folder", "name", full.member.name);
    }
    Touch(Tree::kRoot);
    return tree_.Replace(Tree::kRoot, PLATTER_TRY(InodeOf(full)));
  }
  const std::string_view name = names.back();
  names.pop_back();
  for (const std::string_view folder : names) {
    if (!folder.starts_with(kWhiteout)) continue;
    return Refused(ErrorKind::kCorrupt, "a member lies below a whiteout", "name", full.member.name);
  }
  if (name.starts_with(kWhiteout)) return ApplyWhiteout(full, names, name);
  const Entry folder = PLATTER_TRY(FolderAt(names, &full));
  if (full.member.type == MemberType::kHardLink) return ApplyHardLink(full, folder, name);
  TreeInode inode = PLATTER_TRY(InodeOf(full));
  const Entry there = tree_.Find(folder, name);
  const bool folders =
      there != Tree::kNone && tree_.inode(there).kind == FileKind::kDirectory && inode.kind == FileKind::kDirectory;
  if (folders) {
    Touch(there);
    return tree_.Replace(there, std::move(inode));
  }
  if (there != Tree::kNone) tree_.Remove(there);
  const Entry added = PLATTER_TRY(tree_.Add(folder, name, std::move(inode)));
  tree_.set_mark(added, layer_ << 1 | 1U);
  return Done{};
}

Result<> LayeredTree::ApplyWhiteout(const FullMember& full, const std::vector<std::string_view>& folders,
                                    std::string_view name) {
  const std::string_view hidden = name.substr(kWhiteout.size());
  if (name != kOpaque && (hidden.empty() || hidden == "." || hidden == "..")) {
    return Refused(ErrorKind::kCorrupt, "a whiteout removes the folder that it lies in, or one above it", "whiteout",
                   full.member.name);
  }
  // What is no folder has nothing to lose: umoci writes such whiteouts where a file took a folder's place.
  const Entry folder = PLATTER_TRY(FolderAt(folders, nullptr));
  if (folder == Tree::kNone) return Done{};
  if (name == kOpaque) {
    RemoveLowerBelow(folder);
    return Done{};
  }
  const Entry there = tree_.Find(folder, hidden);
  if (there != Tree::kNone) RemoveLower(there);
  return Done{};
}

Result<> LayeredTree::ApplyHardLink(const FullMember& full, Entry folder, std::string_view name) {
  auto names = PLATTER_TRY(SplitName(full.member.link, "link"));
  const auto missing = [&] {
    return Refused(ErrorKind::kCorrupt, "a hard link to what is not there", "link", full.member.link);
  };
  if (names.empty()) return missing();
  const std::string_view last = names.back();
  names.pop_back();
  const Entry other_folder = PLATTER_TRY(FolderAt(names, nullptr));
  const Entry other = other_folder == Tree::kNone ? Tree::kNone : tree_.Find(other_folder, last);
  if (other == Tree::kNone) return missing();
  if (tree_.inode(other).kind == FileKind::kDirectory) {
    return Refused(ErrorKind::kCorrupt, "a hard link to a folder", "link", full.member.link);
  }
  const Entry there = tree_.Find(folder, name);
  if (there == other) {
    Touch(there);
    return Done{};
  }
  // Where the link's own folder would go with what it replaces, so would what it leads to.
  for (Entry above = other; there != Tree::kNone && above != Tree::kRoot; above = tree_.parent(above)) {
    if (above == there) return missing();
  }
  if (there != Tree::kNone) tree_.Remove(there);
  const Entry added = PLATTER_TRY(tree_.AddLink(folder, name, other));
  tree_.set_mark(added, layer_ << 1 | 1U);
  return Done{};
}

Result<TreeInode> LayeredTree::InodeOf(const FullMember& full) const {
  const tar::Member& member = full.member;
  const tar::Attributes& attributes = full.attributes;
  TreeInode inode;
  inode.mode = static_cast<std::uint16_t>(attributes.mode);
  inode.user = attributes.user;
  inode.group = attributes.group;
  inode.modified = attributes.modified;
  inode.nanoseconds = attributes.nanoseconds;
  if (!attributes.extended.empty() || member.type == MemberType::kSymbolicLink) {
    inode.extra = std::make_unique<TreeInode::Extra>();
    inode.extra->attributes = attributes.extended;
  }
  switch (member.type) {
    case MemberType::kFile:
      inode.size = member.size;
      inode.source = layer_ - 1;
      inode.offset = member.offset;
      return inode;
    case MemberType::kFolder:
      inode.kind = FileKind::kDirectory;
      return inode;
    case MemberType::kSymbolicLink:
      inode.kind = FileKind::kSymbolicLink;
      inode.mode = 0777;
      if (member.link.empty() || member.link.size() >= kLongestPath || member.link.find('\0') != std::string::npos) {
        return Refused(ErrorKind::kCorrupt, "a symbolic link leads to no name", "link", member.link)
            .Allowed("1 to 4095 bytes");
      }
      inode.extra->target = member.link;
      return inode;
    case MemberType::kDevice:
      inode.kind = attributes.block_device ? FileKind::kBlockDevice : FileKind::kCharacterDevice;
      inode.device_major = attributes.device_major;
      inode.device_minor = attributes.device_minor;
      return inode;
    case MemberType::kPipe:
      inode.kind = FileKind::kPipe;
      return inode;
    default:
      return Refused(ErrorKind::kUnsupported, "a member of a kind that no file is", "typeflag", member.name);
  }
}

Result<LayeredTree::Entry> LayeredTree::NewFolder(Entry folder, std::string_view name, const FullMember& full) {
  constexpr std::uint16_t kMode = 0755;
  TreeInode inode;
  inode.kind = FileKind::kDirectory;
  inode.mode = kMode;
  inode.modified = full.attributes.modified;
  inode.nanoseconds = full.attributes.nanoseconds;
  const Entry added = PLATTER_TRY(tree_.Add(folder, name, std::move(inode)));
  tree_.set_mark(added, layer_ << 1 | 1U);
  return added;
}

Result<LayeredTree::Entry> LayeredTree::FolderAt(const std::vector<std::string_view>& names, const FullMember* full) {
  std::deque<std::string> left(names.begin(), names.end());
  Entry at = Tree::kRoot;
  unsigned links = 0;
  if (full != nullptr) Touch(at);
  while (!left.empty()) {
    const std::string name = std::move(left.front());
    left.pop_front();
    if (name == "..") {
      if (at != Tree::kRoot) at = tree_.parent(at);
      continue;
    }
    Entry next = tree_.Find(at, name);
    if (next == Tree::kNone && full == nullptr) return Tree::kNone;
    if (next == Tree::kNone) next = PLATTER_TRY(NewFolder(at, name, *full));
    const TreeInode& inode = tree_.inode(next);
    if (inode.kind == FileKind::kDirectory) {
      if (full != nullptr) Touch(next);
      at = next;
      continue;
    }
    if (inode.kind != FileKind::kSymbolicLink) {
      if (full == nullptr) return Tree::kNone;
      return Refused(ErrorKind::kCorrupt, "a member lies below what is no folder", "name", tree_.Path(next));
    }
    if (++links > kMostLinks) {
      return Refused(ErrorKind::kCorrupt, "symbolic links lead in circles", "link", tree_.Path(next));
    }
    if (inode.extra->target.starts_with('/')) at = Tree::kRoot;
    PLATTER_CHECK(Follow(next, left));
  }
  return at;
}

Result<> LayeredTree::Follow(Entry link, std::deque<std::string>& left) {
  const std::string& target = tree_.inode(link).extra->target;
  std::vector<std::string> parts;
  for (std::size_t start = 0; start < target.size();) {
    const std::size_t end = std::min(target.find('/', start), target.size());
    std::string part = target.substr(start, end - start);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    start = end + 1;
  }
  if (parts.size() > target_names_left_) {
    return Refused(ErrorKind::kLimit, "the layers follow symbolic links too often", "link", tree_.Path(link))
        .Allowed(fmt::format("{} names out of their targets", kMostTargetNames));
  }
  target_names_left_ -= parts.size();
  left.insert(left.begin(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  return Done{};
}

void LayeredTree::Touch(Entry entry) {
  if (!Touched(entry)) tree_.set_mark(entry, layer_ << 1);
}

void LayeredTree::RemoveLower(Entry entry) {
  if (!Touched(entry)) return tree_.Remove(entry);
  if (tree_.inode(entry).kind == FileKind::kDirectory) RemoveLowerBelow(entry);
}

// Folders of the layer itself are gone through once in a layer: what is left in them is its own.
void LayeredTree::RemoveLowerBelow(Entry top) {
  std::vector<Entry> left = {top};
  while (!left.empty()) {
    const Entry folder = left.back();
    left.pop_back();
    if (Cleared(folder)) continue;
    tree_.set_mark(folder, layer_ << 1 | 1U);
    for (Entry child = tree_.first(folder); child != Tree::kNone;) {
      const Entry next = tree_.next(child);
      if (!Touched(child)) {
        tree_.Remove(child);
      } else if (tree_.inode(child).kind == FileKind::kDirectory) {
        left.push_back(child);
      }
      child = next;
    }
  }
}

}  // namespace platter::docker
