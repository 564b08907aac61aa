// Where guest blocks lie: the block allocation table and the sector bitmap in front of each block.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/checked.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/table_cache.h"
#include "formats/vhd/header.h"

namespace platter::vhd {

struct BlockRun {
  std::uint64_t length = 0;  // guest bytes
  bool stored = false;       // false: not in this image
  std::uint64_t host = 0;    // of a stored run: host bytes where it begins
};

// Thread-safe.
class BlockMap {
 public:
  // `bitmaps`: sectors count as stored only where the bitmap says so; otherwise all of a block's do.
  BlockMap(std::shared_ptr<Storage> storage, const SparseHeader& header, std::uint64_t virtual_size, bool bitmaps,
           const Limits& limits);

  // kCorrupt with the entry when a block that the disk needs does not lie inside the file. `whole_blocks`: the last
  // block has to be there beyond the end of the disk, too. Reads the whole table.
  Result<> CheckBlocks(bool whole_blocks);

  // The run at range.offset(), joined with what continues it. Not longer than the range. kIo, kCorrupt. Requires: range
  // not empty and inside the disk.
  Result<BlockRun> At(ByteRange range);

 private:
  Result<std::uint64_t> Entry(std::uint64_t block);
  Result<std::uint64_t> HostOffset(std::uint64_t block, std::uint64_t entry, bool whole_block) const;
  Result<std::uint64_t> UnallocatedUpTo(std::uint64_t block, std::uint64_t end);
  Result<BlockRun> InBitmap(std::uint64_t bitmap, std::uint64_t in_block, std::uint64_t length);

  SparseHeader header_;
  std::uint64_t virtual_size_;
  std::uint64_t file_size_;
  bool bitmaps_;
  TableCache table_;
  TableCache bitmap_words_;
};

}  // namespace platter::vhd
