// Where guest clusters lie: the walk through the two levels of tables, L1 and L2.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "formats/core/checked.h"
#include "formats/core/result.h"
#include "formats/core/table_cache.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// What the tables say about a piece of the guest disk.
enum class ClusterKind : std::uint8_t {
  kUnallocated,
  kUnallocatedKept,  // an unallocated subcluster of a cluster that has a place on the host
  kZero,
  kZeroKept,  // reads as zero, and has a place on the host
  kData,
  kCompressedData,
};

constexpr bool HasHost(ClusterKind kind) noexcept {
  return kind == ClusterKind::kData || kind == ClusterKind::kZeroKept || kind == ClusterKind::kUnallocatedKept;
}

struct ClusterRun {
  std::uint64_t length = 0;  // guest bytes
  ClusterKind kind = ClusterKind::kUnallocated;
  std::uint64_t host = 0;  // host bytes where the run begins; where HasHost(kind)
};

struct CompressedCluster {
  CompressedSpot spot;          // clipped to the file
  bool clipped = false;         // the file ends before the spot does
  std::uint64_t l2_offset = 0;  // host bytes: the table that says so
  std::uint64_t l2_index = 0;
};

// One L1 table with what hangs below it. Thread-safe.
class ClusterMap {
 public:
  struct Place {
    std::uint64_t l1_offset = 0;  // host bytes
    std::uint64_t l1_size = 0;    // entries
  };
  // `file_size`: bytes of the image file, which bounds what the tables may point at. Nothing bounds the clusters in an
  // external data file: it may be shorter than the disk.
  ClusterMap(const Header& header, Place place, std::shared_ptr<TableCache> tables, std::uint64_t file_size);

  // The run at range.offset(), joined with what continues it, not longer than the range. May stop early so that one
  // call reads a bounded number of tables. kIo, kCorrupt with the entry that is wrong. Requires: the range is not empty
  // and inside what the L1 table covers.
  Result<ClusterRun> At(ByteRange range);
  // The compressed cluster that holds guest byte `guest`; empty when it is not compressed. Errors as At.
  Result<std::optional<CompressedCluster>> CompressedAt(std::uint64_t guest);

 private:
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  // The tables that were looked at last.
  struct Cursor {
    std::uint64_t l1_index = kNowhere;
    std::uint64_t l2_offset = 0;  // host bytes, 0: no table
    std::shared_ptr<const TablePage> l1_page;
    std::shared_ptr<const TablePage> l2_page;
    std::uint32_t pages_loaded = 0;  // since the call began
  };
  struct alignas(64) SharedCursor {
    std::atomic_flag busy;
    Cursor cursor;
  };
  class CursorLease;

  // One L2 entry; `bitmap` only with extended L2.
  struct Entry {
    std::uint64_t word = 0;
    std::uint64_t bitmap = 0;
  };

  Result<std::uint64_t> LoadL1Entry(Cursor& cursor, std::uint64_t l1_index) const;
  // Points the cursor at the L2 table of that L1 entry.
  Result<> SeekL1(Cursor& cursor, std::uint64_t l1_index) const;
  // Requires: the cursor is at the L1 entry of `guest`, which has an L2 table.
  Result<Entry> SeekEntry(Cursor& cursor, std::uint64_t guest) const;
  // The guest bytes from `guest` on for which there is no L2 table, up to `end`.
  Result<std::uint64_t> UnallocatedTables(Cursor& cursor, std::uint64_t guest, std::uint64_t end) const;
  Result<ClusterRun> PieceAt(Cursor& cursor, std::uint64_t guest, std::uint64_t end) const;
  Result<ClusterRun> JoinedAt(Cursor& cursor, ByteRange range) const;

  // How far the entries that follow just repeat or continue a run: the quick way through long runs.
  struct Skimmed {
    std::uint64_t length = 0;  // guest bytes
    bool stopped = false;      // by an entry that does not continue the run; otherwise by the page's or table's end
  };
  // Requires of SkimPage: CanSkim, `guest` at the end of the run and of a cluster.
  bool CanSkim(const Cursor& cursor, const ClusterRun& run, std::uint64_t guest) const noexcept;
  Skimmed SkimPage(const Cursor& cursor, const ClusterRun& run, std::uint64_t guest) const noexcept;

  // The run from byte `inside` of the cluster to the end of what is alike in it. Empty: the entry breaks a rule.
  std::optional<ClusterRun> Decode(Entry entry, std::uint64_t inside) const noexcept;
  std::optional<ClusterRun> DecodeCompressedEntry(Entry entry, std::uint64_t inside) const noexcept;
  std::optional<ClusterRun> DecodeSubclusters(Entry entry, std::uint64_t inside) const noexcept;
  Error L1Error(std::uint64_t l1_index, std::uint64_t entry) const;
  Error EntryError(std::uint64_t l2_offset, std::uint64_t guest, Entry entry) const;
  std::uint64_t L2Index(std::uint64_t guest) const noexcept { return (guest >> bits_) & (l2_entries_ - 1); }

  const Header header_;
  const Place place_;
  const std::shared_ptr<TableCache> tables_;
  const std::uint64_t file_size_;
  const std::uint32_t bits_;
  const std::uint64_t cluster_;
  const std::uint64_t l2_entries_;
  const std::uint32_t coverage_bits_;
  const std::uint64_t reserved_;  // bits of a standard entry that must be clear
  const std::uint64_t page_mask_;
  std::array<SharedCursor, 8> cursors_;
};

}  // namespace platter::qcow2
