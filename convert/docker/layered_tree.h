// What the layers of a container image make when they are laid over each other (OCI image specification, layer.md).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/tar/scanner.h"
#include "formats/core/result.h"
#include "formats/ext/tree.h"

namespace platter::docker {

// Members are taken in the order of their layer, layers from the lowest to the topmost. No name leads out of the tree:
// absolute names count from its root, ".." in a name is refused, and symbolic links in the middle of a name are
// followed inside the tree, as a container would. One thread.
class LayeredTree {
 public:
  // As ext::Tree.
  explicit LayeredTree(std::uint64_t room) : tree_(room) {}

  // What follows belongs to a layer above.
  void BeginLayer() { ++layer_; }
  // The file content of the layer's members is that of source number layers-so-far minus one.
  // kCorrupt for names and links that lead out, a hard link to what is not there or to a folder, a member below what is
  // no folder, and whiteouts of nothing; kLimit where links make the way long for member after member; kUnsupported for
  // a kind of member that no file is; as ext::Tree::Add.
  Result<> Apply(const tar::FullMember& full);

  const ext::Tree& tree() const noexcept { return tree_; }

 private:
  using Entry = ext::Tree::Entry;
  // Names out of links' targets that are followed in all: each member may be given 65000 of them to go through.
  static constexpr std::uint64_t kMostTargetNames = 50'000'000;

  Result<> ApplyNamed(const tar::FullMember& full, std::vector<std::string_view> names);
  Result<> ApplyWhiteout(const tar::FullMember& full, const std::vector<std::string_view>& folders,
                         std::string_view name);
  Result<> ApplyHardLink(const tar::FullMember& full, Entry folder, std::string_view name);
  Result<ext::TreeInode> InodeOf(const tar::FullMember& full) const;
  // The folder that these names lead to, marked with those above it as the layer's own; what is missing is made, with
  // `full`'s time. Where `full` is null nothing is marked or made: kNone where there is no such folder.
  Result<Entry> FolderAt(const std::vector<std::string_view>& names, const tar::FullMember* full);
  // Puts the names of the link's target in front of those that are left.
  Result<> Follow(Entry link, std::deque<std::string>& left);
  Result<Entry> NewFolder(Entry folder, std::string_view name, const tar::FullMember& full);
  // Takes away what lower layers have there.
  void RemoveLower(Entry entry);
  void RemoveLowerBelow(Entry folder);
  void Touch(Entry entry);
  bool Touched(Entry entry) const { return (tree_.mark(entry) >> 1) == layer_; }
  // Whether nothing of a lower layer is left below the folder.
  bool Cleared(Entry entry) const { return tree_.mark(entry) == (layer_ << 1 | 1U); }

  ext::Tree tree_;
  std::uint64_t target_names_left_ = kMostTargetNames;
  std::uint32_t layer_ = 0;  // how many have begun
};

}  // namespace platter::docker
