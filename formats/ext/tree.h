// A tree of files that a new file system is to hold: names, attributes, and where each file's content comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/core/file_tree.h"
#include "formats/core/result.h"

namespace platter::ext {

// What may have several names.
struct TreeInode {
  struct Extra {
    std::string target;                                           // of a symbolic link
    std::vector<std::pair<std::string, std::string>> attributes;  // extended attributes: name ("user.a"), value
  };
  FileKind kind = FileKind::kRegular;
  std::uint16_t mode = 0;  // 07777 at most
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t nanoseconds = 0;  // on top of the seconds, below 1e9
  std::int64_t modified = 0;      // Unix time, seconds
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t size = 0;    // bytes, of a regular file
  std::uint32_t source = 0;  // which source its content comes from, and at which byte of it
  std::uint64_t offset = 0;
  std::unique_ptr<Extra> extra = nullptr;  // null: none of these
  std::uint32_t links = 0;                 // names; kept by the tree
};

// Entries are numbered, and keep their number until they are removed. One thread.
class Tree {
 public:
  using Entry = std::uint32_t;
  static constexpr Entry kRoot = 0;
  static constexpr Entry kNone = ~Entry{0};
  static constexpr std::size_t kLongestName = 255;  // bytes
  static constexpr std::uint32_t kMostLinks = 65000;
  static constexpr std::uint32_t kMostLevels = 1024;  // of folders in folders

  // With an empty root. `room`: bytes that the tree, and the tables of the file system made of it, may take.
  explicit Tree(std::uint64_t room);
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // The entry of that name in a folder, or kNone.
  Entry Find(Entry folder, std::string_view name) const;
  // A new name for a new inode. kInvalid for a name that no file can have; kLimit for names of more than kLongestName,
  // beyond kMostLevels, and beyond the room. Requires: `folder` is a folder and has no such name.
  Result<Entry> Add(Entry folder, std::string_view name, TreeInode inode);
  // A new name for the inode of `other`, which is no folder. As Add; kLimit beyond kMostLinks.
  Result<Entry> AddLink(Entry folder, std::string_view name, Entry other);
  // Gives an entry's inode other attributes. Requires: folders stay folders, and what is none does not become one.
  Result<> Replace(Entry entry, TreeInode inode);
  // With all that is below it. Requires: not the root.
  void Remove(Entry entry);

  const TreeInode& inode(Entry entry) const { return inodes_[entries_[entry].inode]; }
  std::uint32_t inode_number(Entry entry) const { return entries_[entry].inode; }  // below inode_bound()
  std::uint32_t inode_bound() const { return static_cast<std::uint32_t>(inodes_.size()); }
  // Whether there is an inode of that number.
  bool has_inode(std::uint32_t number) const { return inodes_[number].links != 0; }
  const TreeInode& inode_at(std::uint32_t number) const { return inodes_[number]; }

  std::string_view name(Entry entry) const;
  Entry parent(Entry entry) const { return entries_[entry].parent; }
  Entry first(Entry folder) const { return entries_[folder].first; }  // in no order that means anything; kNone
  Entry next(Entry entry) const { return entries_[entry].next; }
  std::string Path(Entry entry) const;  // "a/b", "" of the root

  // For whoever builds the tree: a number of their own with each entry, 0 at first.
  std::uint32_t mark(Entry entry) const { return entries_[entry].mark; }
  void set_mark(Entry entry, std::uint32_t mark) { entries_[entry].mark = mark; }

 private:
  struct Node {
    Entry parent = kNone;
    Entry first = kNone;
    Entry next = kNone;
    Entry previous = kNone;
    std::uint32_t inode = 0;
    std::uint32_t mark = 0;
    std::uint16_t level = 0;
    std::uint8_t name_length = 0;
    std::unique_ptr<char[]> name = nullptr;
  };
  struct Key {
    Entry folder;
    std::string_view name;
  };
  struct Hash {
    using is_transparent = void;  // NOLINT: the name that the library looks for
    const Tree* tree;
    std::size_t operator()(Entry entry) const;
    std::size_t operator()(const Key& key) const;
  };
  struct Equal {
    using is_transparent = void;  // NOLINT: the name that the library looks for
    const Tree* tree;
    bool operator()(Entry a, Entry b) const { return a == b; }
    bool operator()(const Key& key, Entry entry) const;
    bool operator()(Entry entry, const Key& key) const { return (*this)(key, entry); }
  };

  Result<> Spend(std::uint64_t bytes);
  static std::uint64_t Weight(const TreeInode& inode);
  Result<Entry> Link(Entry folder, std::string_view name, std::uint32_t inode);
  Result<> CheckName(Entry folder, std::string_view name) const;
  std::uint32_t NewInode(TreeInode inode);
  void Drop(Entry entry);

  std::vector<Node> entries_;
  std::vector<TreeInode> inodes_;
  std::vector<Entry> free_entries_;
  std::vector<std::uint32_t> free_inodes_;
  std::unordered_set<Entry, Hash, Equal> names_;
  std::uint64_t room_;
};

}  // namespace platter::ext
