#include "formats/ext/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace platter::ext {
namespace {

// With its place in the set of names, and its record in a folder.
constexpr std::uint64_t kNodeWeight = 128;
// With its record in the table of inodes.
constexpr std::uint64_t kInodeWeight = sizeof(TreeInode) + 256;

}  // namespace

std::size_t Tree::Hash::operator()(Entry entry) const {
  return (*this)(Key{tree->entries_[entry].parent, tree->name(entry)});
}

std::size_t Tree::Hash::operator()(const Key& key) const {
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  return std::hash<std::string_view>()(key.name) ^ (std::uint64_t{key.folder} + 1) * kSpread;
}

bool Tree::Equal::operator()(const Key& key, Entry entry) const {
  return tree->entries_[entry].parent == key.folder && tree->name(entry) == key.name;
}

Tree::Tree(std::uint64_t room) : names_(16, Hash{this}, Equal{this}), room_(room) {
  constexpr std::uint16_t kRootMode = 0755;
  TreeInode root;
  root.kind = FileKind::kDirectory;
  root.mode = kRootMode;
  root.links = 1;
  inodes_.push_back(std::move(root));
  entries_.emplace_back();
}

std::string_view Tree::name(Entry entry) const {
  const Node& node = entries_[entry];
  return {node.name.get(), node.name_length};
}

std::string Tree::Path(Entry entry) const {
  std::vector<std::string_view> names;
  for (; entry != kRoot; entry = parent(entry)) names.push_back(name(entry));
  std::string path;
  for (auto part = names.rbegin(); part != names.rend(); ++part) {
    if (!path.empty()) path += '/';
    path += *part;
  }
  return path;
}

Tree::Entry Tree::Find(Entry folder, std::string_view name) const {
  const auto found = names_.find(Key{folder, name});
  return found == names_.end() ? kNone : *found;
}

std::uint64_t Tree::Weight(const TreeInode& inode) {
  std::uint64_t bytes = kInodeWeight;
  if (inode.extra == nullptr) return bytes;
  bytes += sizeof(TreeInode::Extra) + inode.extra->target.size();
  for (const auto& [name, value] : inode.extra->attributes)
    bytes += 2 * sizeof(std::string) + name.size() + value.size();
  return bytes;
}

Result<> Tree::Spend(std::uint64_t bytes) {
  if (bytes <= room_) {
    room_ -= bytes;
    return Done{};
  }
  return Error(ErrorKind::kLimit, "the tree of files takes too much memory")
      .At("file tree", "entries")
      .Found(entries_.size() - free_entries_.size());
}

Result<> Tree::CheckName(Entry folder, std::string_view name) const {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos) {
    return Error(ErrorKind::kInvalid, "no file can have this name").At("file tree", "name").Found(std::string(name));
  }
  if (name.size() > kLongestName) {
    return Error(ErrorKind::kLimit, "the name is too long")
        .At("file tree", "name")
        .Found(std::string(name.substr(0, kLongestName)))
        .Allowed(fmt::format("at most {} bytes", kLongestName));
  }
  if (entries_[folder].level + 1U < kMostLevels) return Done{};
  return Error(ErrorKind::kLimit, "folders are nested too deeply")
      .At("file tree", "levels")
      .Allowed(fmt::format("at most {}", kMostLevels));
}

std::uint32_t Tree::NewInode(TreeInode inode) {
  inode.links = 0;
  if (free_inodes_.empty()) {
    inodes_.push_back(std::move(inode));
    return inode_bound() - 1;
  }
  const std::uint32_t number = free_inodes_.back();
  free_inodes_.pop_back();
  inodes_[number] = std::move(inode);
  return number;
}

Result<Tree::Entry> Tree::Link(Entry folder, std::string_view name, std::uint32_t inode) {
  Entry entry = kNone;
  if (free_entries_.empty()) {
    entry = static_cast<Entry>(entries_.size());
    entries_.emplace_back();
  } else {
    entry = free_entries_.back();
    free_entries_.pop_back();
  }
  Node& node = entries_[entry];
  node.parent = folder;
  node.first = kNone;
  node.previous = kNone;
  node.next = entries_[folder].first;
  node.inode = inode;
  node.mark = 0;
  node.level = static_cast<std::uint16_t>(entries_[folder].level + 1);
  node.name_length = static_cast<std::uint8_t>(name.size());
  node.name = std::make_unique<char[]>(name.size());
  std::ranges::copy(name, node.name.get());
  if (node.next != kNone) entries_[node.next].previous = entry;
  entries_[folder].first = entry;
  ++inodes_[inode].links;
  names_.insert(entry);
  return entry;
}

Result<Tree::Entry> Tree::Add(Entry folder, std::string_view name, TreeInode inode) {
  PLATTER_CHECK(CheckName(folder, name));
  PLATTER_CHECK(Spend(Weight(inode) + kNodeWeight + name.size()));
  const std::uint32_t number = NewInode(std::move(inode));
  return Link(folder, name, number);
}

Result<Tree::Entry> Tree::AddLink(Entry folder, std::string_view name, Entry other) {
  PLATTER_CHECK(CheckName(folder, name));
  const std::uint32_t number = entries_[other].inode;
  if (inodes_[number].links >= kMostLinks) {
    return Error(ErrorKind::kLimit, "the file has too many names")
        .At("file tree", "links")
        .Found(inodes_[number].links)
        .Allowed(fmt::format("at most {}", kMostLinks));
  }
  PLATTER_CHECK(Spend(kNodeWeight + name.size()));
  return Link(folder, name, number);
}

Result<> Tree::Replace(Entry entry, TreeInode inode) {
  TreeInode& there = inodes_[entries_[entry].inode];
  room_ += Weight(there);
  PLATTER_CHECK(Spend(Weight(inode)));
  inode.links = there.links;
  there = std::move(inode);
  return Done{};
}

// What is no longer anyone's child.
void Tree::Drop(Entry entry) {
  names_.erase(entry);
  Node& node = entries_[entry];
  TreeInode& inode = inodes_[node.inode];
  room_ += kNodeWeight + node.name_length;
  if (--inode.links == 0) {
    room_ += Weight(inode);
    inode = TreeInode{};
    free_inodes_.push_back(node.inode);
  }
  node.name.reset();
  node.parent = kNone;
  free_entries_.push_back(entry);
}

void Tree::Remove(Entry entry) {
  const Node& top = entries_[entry];
  if (top.previous != kNone) {
    entries_[top.previous].next = top.next;
  } else {
    entries_[top.parent].first = top.next;
  }
  if (top.next != kNone) entries_[top.next].previous = top.previous;
  std::vector<Entry> left = {entry};
  while (!left.empty()) {
    const Entry dropped = left.back();
    left.pop_back();
    for (Entry child = first(dropped); child != kNone; child = next(child)) left.push_back(child);
    Drop(dropped);
  }
}

}  // namespace platter::ext
