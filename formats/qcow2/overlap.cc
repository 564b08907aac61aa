#include "formats/qcow2/overlap.h"

namespace platter::qcow2 {

Result<std::string_view> FindOverlap(CheckState& state, std::uint64_t offset) {
  const Header& header = state.header;
  const std::uint64_t end = offset + header.cluster_size();
  const auto overlaps = [&](std::uint64_t at, std::uint64_t length) {
    return length != 0 && at < end && (at >= offset || offset - at < length);
  };
  if (overlaps(0, header.cluster_size())) return std::string_view("qcow2 header");
  if (overlaps(header.l1_table_offset, header.l1_size * kL1EntrySize)) return std::string_view("active L1 table");
  if (overlaps(header.snapshots_offset, state.snapshot_table_size)) return std::string_view("snapshot table");
  const std::uint64_t table_bytes = std::uint64_t{header.refcount_table_clusters} << header.cluster_bits;
  if (overlaps(header.refcount_table_offset, table_bytes)) return std::string_view("refcount table");
  for (const std::uint64_t entry : state.stored.table()) {
    const std::uint64_t block = entry & ~kRefcountTableReserved;
    if (block != 0 && overlaps(block, header.cluster_size())) return std::string_view("refcount block");
  }
  for (const CheckedSnapshot& snapshot : state.snapshots) {
    if (overlaps(snapshot.l1_table_offset, snapshot.l1_size * kL1EntrySize)) {
      return std::string_view("inactive L1 table");
    }
  }
  if (header.bitmaps && overlaps(header.bitmaps->directory_offset, header.bitmaps->directory_size)) {
    return std::string_view("bitmap directory");
  }
  return std::string_view();
}

}  // namespace platter::qcow2
