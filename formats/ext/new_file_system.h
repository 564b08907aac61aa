// The parts of a new file system, put into it one by one through libext2fs.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/ext/block_store.h"
#include "formats/ext/content_extents.h"
#include "formats/ext/new_volume.h"

namespace platter::ext {

struct Geometry {
  std::uint64_t blocks = 0;
  std::uint64_t inodes = 0;
};

// A run of blocks of a file.
struct BlockRun {
  std::uint64_t block = 0;
  std::uint64_t count = 0;
};

// What an inode is made of.
struct NewInode {
  const TreeInode* about = nullptr;
  std::uint32_t number = 0;  // the file system's
  std::uint32_t links = 1;
  std::uint64_t size = 0;      // bytes
  std::vector<BlockRun> runs;  // its blocks, in the file's order
};

class NewFileSystem {
 public:
  explicit NewFileSystem(BlockStore& store) : store_(store) {}
  ~NewFileSystem() {
    if (fs_ != nullptr) ext2fs_free(fs_);
  }
  NewFileSystem(const NewFileSystem&) = delete;
  NewFileSystem& operator=(const NewFileSystem&) = delete;

  // The tables, the inodes that are the file system's own, and the journal. kLimit where the size is too small.
  Result<> Begin(const Geometry& geometry, const VolumeRequest& request);
  std::uint64_t inodes() const noexcept { return fs_->super->s_inodes_count; }

  // Free blocks, from where the last ones were found on; now taken. kLimit.
  Result<std::vector<BlockRun>> Take(std::uint64_t count);
  // Marks the inode as used and writes it. Its block list, where it has no blocks, holds a device's number or a short
  // link's target.
  Result<> WriteInode(const NewInode& inode);
  // False where ext4 has no place for an attribute of that name. kLimit where there is no room for it.
  Result<bool> WriteAttribute(std::uint32_t inode, const std::string& name, std::string_view value);
  // One block of a folder, without its checksum.
  Result<> WriteFolderBlock(std::uint64_t block, std::span<std::byte> bytes, std::uint32_t inode);
  void WriteBlock(std::uint64_t block, std::string_view text) {
    store_.Write(block * BlockStore::kBlock, std::as_bytes(std::span(text)));
  }
  // Bytes of a folder's block that records may take; the checksum follows them.
  std::size_t folder_room() const noexcept;
  std::uint64_t unheld_times() const noexcept { return unheld_times_; }

  Result<> Finish();

 private:
  Error Failure(errcode_t code, std::string_view what) const;
  Result<> Check(errcode_t code, std::string_view what) const;
  void Describe(const VolumeRequest& request);
  Result<> MakeOwnInodes();
  void FillTimes(const TreeInode& about, ext2_inode_large& inode);
  Result<> WriteExtents(const NewInode& made, ext2_inode_large& inode);
  Result<> InsertExtents(const NewInode& made);

  BlockStore& store_;
  ext2_filsys fs_ = nullptr;
  std::uint64_t next_ = 0;  // the block from which free ones are looked for
  std::uint64_t unheld_times_ = 0;
};

}  // namespace platter::ext
