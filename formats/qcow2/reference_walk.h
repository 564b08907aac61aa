// ReferenceWalk: finds everything in an image that refers to a host cluster and counts it: header, L1 and L2 tables of
// the active image and of every snapshot, data and compressed clusters, snapshot table, refcount structure, encryption
// header, bitmaps. Entries that cannot be right are logged and counted as corruptions on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "formats/qcow2/bitmap_directory.h"
#include "formats/qcow2/check_state.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/l2_runs.h"
#include "formats/qcow2/overlap.h"
#include "formats/qcow2/seen_tables.h"

namespace platter::qcow2 {

class ReferenceWalk {
 public:
  // Borrows both.
  ReferenceWalk(CheckState& state, RefcountMap& counts)
      : state_(state), counts_(counts), seen_(state.header.cluster_bits) {}

  // kIo, kCorrupt, kLimit when the image cannot be walked to its end. With Repair::kAll, misplaced entries whose
  // cluster holds no data are repaired in place.
  Result<> CountAll();
  // The same without the refcount table and its blocks: what a new refcount structure has to count.
  Result<> CountAllButRefcounts();

 private:
  // An L2 table is walked when it is first met. What refers to it again is only noted, and the table walked once more
  // for all of them together: snapshots share most of their tables.
  struct Sharing {
    std::uint64_t by_active_image = 0;
    std::uint64_t by_snapshots = 0;
  };
  struct L2Table {
    std::uint64_t offset = 0;
    bool figures = false;  // its clusters enter the report's figures: the active image's tables
    std::uint64_t next_contiguous = 0;
    std::optional<bool> reserved_bits;  // once known: L2Runs::HasAnyOf
    std::vector<std::byte> bytes;
  };

  Result<> Count(std::uint64_t offset, std::uint64_t length);
  Result<> CountL1(std::uint64_t offset, std::uint64_t entries, bool active);
  Result<> CountL1Entry(std::uint64_t entry, bool active);
  Result<> CountSharedTables();
  Result<> CountL2(std::uint64_t offset, bool figures);
  // Counts as many of the entries from `index` on as are sound and follow each other on the host, and need no look at
  // each of them. The value is how many; 0: not even the first.
  Result<std::uint64_t> CountRun(const L2Runs& runs, std::uint64_t index);
  Result<> CountL2Entry(std::uint64_t index);
  Result<> CountCompressed(std::uint64_t index, L2Entry entry);
  Result<> CountAllocated(std::uint64_t index, L2Entry entry);
  // True when the entry was made a plain zero entry, which refers to nothing.
  Result<bool> CheckAlignment(std::uint64_t index, L2Entry entry);
  Result<> CountSnapshots();
  Result<> CountBitmaps();
  Result<> CountBitmapTable(const CheckedBitmap& bitmap);
  Result<> CountBitmapEntry(const CheckedBitmap& bitmap, std::uint64_t at, std::uint64_t entry);
  Result<> CountRefcountBlocks();
  Result<> CountRefcountBlock(std::uint64_t index);
  void CheckWhole(const char* what, std::uint64_t offset, std::uint64_t length);
  Result<> SpendEntries(std::uint64_t entries);

  CheckState& state_;
  RefcountMap& counts_;
  SeenTables seen_;
  std::optional<MetadataRanges> metadata_;
  std::unordered_map<std::uint64_t, Sharing> shared_;
  L2Table table_;  // the one being walked
  std::uint64_t entries_spent_ = 0;
};

}  // namespace platter::qcow2
