// Allocation tables of little-endian 32-bit entries, one behind the other (block map of VDI, BAT of ploop), in pieces
// of 64 KiB: nothing here grows with the table. How tables are read at random is TableCache's business.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

inline constexpr std::uint64_t kTableEntryBytes = sizeof(std::uint32_t);
inline constexpr std::uint64_t kTablePieceEntries = 65536 / kTableEntryBytes;

// Calls `visit(index, entry)` for the `count` entries at host byte `offset`, in order. kIo, and what `visit` returns.
template <class Visit>
Result<> ForEachTableEntry(Storage& storage, std::uint64_t offset, std::uint64_t count, Visit visit) {
  std::vector<std::byte> piece;
  for (std::uint64_t index = 0; index < count;) {
    piece.resize(std::min(kTablePieceEntries, count - index) * kTableEntryBytes);
    PLATTER_CHECK(storage.ReadAt(offset + index * kTableEntryBytes, piece));
    for (std::size_t at = 0; at < piece.size(); at += kTableEntryBytes) {
      PLATTER_CHECK(visit(index++, LoadLe<std::uint32_t>(piece.data() + at)));
    }
  }
  return Done{};
}

// Changes a table that is there: holds the piece that was last looked at, and writes it when the next one is. One
// thread at a time.
class EntryWindow {
 public:
  // Borrows `storage`. The table of `count` entries lies at host byte `offset`.
  EntryWindow(Storage& storage, std::uint64_t offset, std::uint64_t count)
      : storage_(storage), offset_(offset), count_(count) {}

  // Requires: index < count. kIo.
  Result<std::uint32_t> Get(std::uint64_t index);
  // Requires: the last Get was for the same index, or one in its piece.
  void Set(std::uint64_t index, std::uint32_t entry);
  // Writes what was set. kIo.
  Result<> Flush();

 private:
  Storage& storage_;
  std::uint64_t offset_;
  std::uint64_t count_;
  std::uint64_t first_ = 0;  // index of the piece's first entry
  bool changed_ = false;
  std::vector<std::byte> piece_;
};

// Writes a new table front to back, each piece once, when it is complete. One thread at a time.
class EntryAppender {
 public:
  // Borrows `storage`. The table lies at host byte `offset`.
  EntryAppender(Storage& storage, std::uint64_t offset);

  // Index of the entry that comes next.
  std::uint64_t next() const noexcept { return next_; }
  Result<> Append(std::uint32_t entry);
  // True when all that was appended is written.
  bool flushed() const noexcept { return piece_.empty(); }
  // Leaves the entries in front of `index` as the file has them. Requires: flushed(), next() <= index.
  void SkipTo(std::uint64_t index) noexcept { next_ = index; }
  Result<> Flush();

 private:
  Storage& storage_;
  std::uint64_t offset_;
  std::uint64_t next_ = 0;
  std::vector<std::byte> piece_;  // of the entries in front of next_
};

}  // namespace platter
