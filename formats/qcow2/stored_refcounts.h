// StoredRefcounts: the reference counts that an image records about its own clusters, as the refcount table and the
// refcount blocks on disk say (section "Host cluster management").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/table_window.h"

namespace platter::qcow2 {

// One thread at a time.
class StoredRefcounts {
 public:
  // Borrows both. Call Load before anything else.
  StoredRefcounts(const Header& header, TableWindow& tables) : header_(header), tables_(tables) {}

  // Reads the refcount table as the header places it; what lies past the end of the file counts as zeros.
  Result<> Load();

  // Entries as they stand on disk, with their reserved bits.
  std::span<const std::uint64_t> table() const noexcept { return table_; }
  std::uint64_t clusters_per_block() const noexcept { return header_.refcount_block_entries(); }
  // Host offset of the block that counts `cluster`; 0 where there is none.
  std::uint64_t BlockOffset(std::uint64_t cluster) const noexcept;

  // Whether a block can be where a table entry says: aligned to clusters, at an offset that a file can have.
  bool IsReadable(std::uint64_t block_offset) const noexcept;

  // The block that counts `cluster`, valid until the next call of any kind; empty where there is none, or none that is
  // readable.
  Result<std::span<const std::byte>> Block(std::uint64_t cluster);
  // 0 where no block counts the cluster; kCorrupt where the block is not readable.
  Result<std::uint64_t> Get(std::uint64_t cluster);

  // Changes one entry; written when Set moves to another block, and by Flush.
  // Requires: a block counts the cluster, and `count` fits.
  Result<> Set(std::uint64_t cluster, std::uint64_t count);
  Result<> Flush();

 private:
  const Header& header_;
  TableWindow& tables_;
  std::vector<std::uint64_t> table_;
  std::uint64_t pending_offset_ = 0;  // host offset of the block in pending_; 0: none
  std::vector<std::byte> pending_;
};

}  // namespace platter::qcow2
