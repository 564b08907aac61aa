#include "formats/qcow2/overlap.h"

#include <algorithm>

namespace platter::qcow2 {

MetadataRanges::MetadataRanges(CheckState& state, Include include) : state_(state) {
  const Header& header = state.header;
  Add(0, header.cluster_size(), "qcow2 header");
  Add(header.snapshots_offset, state.snapshot_table_size, "snapshot table");
  Add(header.refcount_table_offset, std::uint64_t{header.refcount_table_clusters} << header.cluster_bits,
      "refcount table");
  for (const std::uint64_t entry : state.stored.table()) {
    const std::uint64_t block = entry & ~kRefcountTableReserved;
    if (block != 0) Add(block, header.cluster_size(), "refcount block");
  }
  if (header.bitmaps) Add(header.bitmaps->directory_offset, header.bitmaps->directory_size, "bitmap directory");
  if (include == Include::kAll) {
    Add(header.l1_table_offset, header.l1_size * kL1EntrySize, "active L1 table");
    for (const CheckedSnapshot& snapshot : state.snapshots) {
      Add(snapshot.l1_table_offset, snapshot.l1_size * kL1EntrySize, "inactive L1 table");
    }
  }
  std::ranges::sort(ranges_, {}, &Range::begin);
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const bool longest = i == 0 || ranges_[i].end > ranges_[reaching_.back()].end;
    reaching_.push_back(longest ? i : reaching_.back());
  }
}

void MetadataRanges::Add(std::uint64_t offset, std::uint64_t length, std::string_view name) {
  if (const auto end = CheckedAdd(offset, length); end && length != 0) ranges_.push_back({offset, *end, name});
}

Result<> MetadataRanges::CheckWrite(std::string_view what, std::uint64_t offset, std::uint64_t length) const {
  const auto behind = std::ranges::lower_bound(ranges_, offset + length, {}, &Range::begin);
  if (behind == ranges_.begin()) return Done{};
  const Range& other = ranges_[reaching_[static_cast<std::size_t>(behind - ranges_.begin()) - 1]];
  if (other.end <= offset) return Done{};
  return RefuseWrite(state_, what, offset, other.name);
}

Error RefuseWrite(CheckState& state, std::string_view what, std::uint64_t offset, std::string_view other) {
  state.Log("ERROR: Could not write {}; metadata overlap check failed", what);
  return Error(ErrorKind::kCorrupt, fmt::format("{} cannot be repaired: it overlaps with {}", what, other))
      .At(std::string(what), "offset", offset)
      .In(state.storage.name());
}

Result<> CheckL1Write(CheckState& state) {
  const std::uint64_t offset = state.header.l1_table_offset;
  const std::uint64_t length = state.header.l1_size * kL1EntrySize;
  PLATTER_CHECK(MetadataRanges(state, MetadataRanges::Include::kAllButL1).CheckWrite("L1 table", offset, length));
  // L2 tables, data and snapshots' L1 tables show in the refcounts.
  for (std::uint64_t at = offset; at < offset + length; at += state.header.cluster_size()) {
    if (PLATTER_TRY(state.stored.Get(state.cluster_of(at))) == 1) continue;
    return RefuseWrite(state, "L1 table", offset, "something else that its clusters are used for");
  }
  return Done{};
}

}  // namespace platter::qcow2
