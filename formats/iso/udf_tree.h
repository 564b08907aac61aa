// The files of a UDF volume.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "formats/core/file_tree.h"
#include "formats/iso/udf_volume.h"

namespace platter::iso {

// Files are named by the address of their file entry (ICB).
class UdfTree : public FileTree {
 public:
  UdfTree(std::shared_ptr<Storage> storage, UdfVolume volume);

  std::string_view kind() const noexcept override { return "udf"; }
  Result<TreeEntry> Root() override;
  Result<> List(const TreeEntry& directory, const Visit& visit) override;
  Result<std::shared_ptr<Storage>> OpenFile(const TreeEntry& file) override;

 private:
  Result<std::vector<std::byte>> ReadFileEntry(std::uint64_t node);
  Result<TreeEntry> EntryAt(UdfAddress address, std::string name);
  Result<TreeEntry> ListedAt(UdfAddress address, std::string name, bool directory);
  Result<std::string> LinkTarget(std::uint64_t node, const std::string& name);
  Result<std::shared_ptr<Storage>> Content(std::uint64_t node, const std::string& name);

  std::shared_ptr<Storage> storage_;
  UdfVolume volume_;
};

}  // namespace platter::iso
