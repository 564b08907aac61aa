// The files of an ISO 9660 volume, by the names of one of its descriptors: plain, Joliet, 1999, or Rock Ridge's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/file_tree.h"
#include "formats/iso/directory_record.h"
#include "formats/iso/rock_ridge.h"
#include "formats/iso/volume.h"

namespace platter::iso {

// Files and directories of the tree are named by the host offset of their (first) directory record. Associated files
// (resource forks) are left out, and so are directories that Rock Ridge moved, but for the place that they belong to.
class IsoTree : public FileTree {
 public:
  // With `susp` Rock Ridge's names count; only for the primary descriptor.
  IsoTree(std::shared_ptr<Storage> storage, VolumeDescriptor descriptor, std::optional<SuspHeader> susp);

  std::string_view kind() const noexcept override;
  Result<TreeEntry> Root() override;
  Result<> List(const TreeEntry& directory, const Visit& visit) override;
  Result<std::shared_ptr<Storage>> OpenFile(const TreeEntry& file) override;

  // The record that `entry` is named by: of a directory that Rock Ridge moved, its own "." record.
  Result<DirectoryRecord> RecordOf(const TreeEntry& entry);

 private:
  Result<DirectoryRecord> ReadRecord(std::uint64_t host_offset);
  // Empty for what is not listed.
  Result<std::optional<TreeEntry>> EntryOf(const DirectoryRecord& record);
  Result<> ApplyRockRidge(const DirectoryRecord& record, TreeEntry& entry, bool& listed);
  Result<> ApplyMove(std::uint32_t block, TreeEntry& entry);
  Result<> MoveDirectory(std::uint32_t block, TreeEntry& entry);
  Result<std::optional<Zisofs>> ZisofsOf(const DirectoryRecord& record);
  std::string NameOf(const DirectoryRecord& record) const;
  std::uint64_t DataStart(const DirectoryRecord& record) const noexcept;

  std::shared_ptr<Storage> storage_;
  VolumeDescriptor descriptor_;
  std::optional<SuspHeader> susp_;
};

}  // namespace platter::iso
