// The walk from guest offsets to host offsets: the block allocation table, and sector bitmaps of blocks that are there
// in part (2.5). Nothing grows with the disk: both are read through one table cache.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/table_cache.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {

enum class BlockKind : std::uint8_t {
  kUnallocated,  // the parent decides; zeros where there is none
  kZero,
  kData,
};

struct BlockRun {
  BlockKind kind = BlockKind::kUnallocated;
  std::uint64_t length = 0;  // guest bytes
  std::uint64_t host = 0;    // of kData: host offset
};

// An entry of the block allocation table, taken apart.
struct BatEntry {
  std::uint64_t word = 0;

  std::uint8_t state() const noexcept { return static_cast<std::uint8_t>(word & kBatStateMask); }
  bool Is(BlockState wanted) const noexcept { return state() == static_cast<std::uint8_t>(wanted); }
  std::uint64_t offset() const noexcept { return word & kBatOffsetMask; }
  bool stored() const noexcept { return Is(BlockState::kFullyPresent) || Is(BlockState::kPartiallyPresent); }
};
constexpr std::uint64_t MakeBatEntry(BlockState state, std::uint64_t offset = 0) noexcept {
  return offset | static_cast<std::uint64_t>(state);
}

// What is wrong with a place in the file for `length` bytes that an entry names; null when nothing is.
const char* WrongPlace(const Structure& structure, std::uint64_t offset, std::uint64_t length);

// Thread-safe.
class BlockMap {
 public:
  BlockMap(std::shared_ptr<const Structure> structure, const Limits& limits);

  // The longest run of one kind at range.offset(), contiguous on the host. Requires: the range is not empty and inside
  // the disk. kCorrupt for entries with impossible states or places, kIo.
  Result<BlockRun> At(ByteRange range);

 private:
  // Remembers the page that was looked at last, so that a walk takes no lock but one for each page.
  struct Cursor {
    std::shared_ptr<const TablePage> page;
  };

  Result<std::uint64_t> Word(Cursor& cursor, std::uint64_t offset);
  Result<BatEntry> EntryOf(Cursor& cursor, std::uint64_t block);
  Result<BlockRun> RunAt(Cursor& cursor, std::uint64_t guest, std::uint64_t end);
  Result<BlockRun> RunOfPartial(Cursor& cursor, std::uint64_t host, std::uint64_t guest, std::uint64_t end);
  Result<std::uint64_t> BitmapOf(std::uint64_t chunk);
  Result<std::uint64_t> SkipHole(std::uint64_t block);
  Error Refuse(std::string what, std::uint64_t entry_index, std::uint64_t word) const;

  std::shared_ptr<const Structure> structure_;
  const Geometry& geometry_;
  TableCache tables_;
};

}  // namespace platter::vhdx
