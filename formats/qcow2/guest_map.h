// The L1 table and the L2 tables of a new image, filled in guest order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/cluster_allocator.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// One thread at a time. In memory are one group of L2 tables, at most 64 KiB or one table, and a page of the L1 table;
// each group is written once, when the entries move past it. An L2 table that would stay empty takes no space.
class GuestMap {
 public:
  // All must outlive the map. `header` need not be complete: its sizes are used, not its offsets. `every_table`: no L2
  // table will stay away, so that neighbours can lie in one piece and small ones share pages of the host.
  GuestMap(const Header& header, Storage& storage, ClusterAllocator& allocator, bool dense, bool every_table);

  // Takes the L1 table's place; returns its host offset.
  Result<std::uint64_t> Reserve();
  // Makes sure that the table of `guest_cluster` has its place, before anything that it points to. Requires: clusters
  // come in ascending order.
  Result<> Enter(std::uint64_t guest_cluster);
  // Requires: Enter(guest_cluster) came before. `bitmap` counts with extended L2 only.
  void Set(std::uint64_t guest_cluster, std::uint64_t entry, std::uint64_t bitmap);
  // Guest clusters from `guest_cluster` to the end of its L2 table.
  std::uint64_t RestOfTable(std::uint64_t guest_cluster) const noexcept { return entries_ - guest_cluster % entries_; }
  Result<> Finish();

 private:
  // Makes room for the tables from `index` on that go together.
  Result<> StartGroup(std::uint64_t index);
  Result<> WriteGroup();
  Result<> WriteL1Page();

  Storage& storage_;
  ClusterAllocator& allocator_;
  bool dense_;
  std::uint64_t l1_bytes_;
  std::uint64_t entries_;  // per L2 table
  std::uint64_t entry_size_;
  std::uint64_t l1_offset_ = 0;
  std::uint64_t l1_page_ = 0;
  std::vector<std::byte> l1_;  // page l1_page_
  std::uint64_t table_bytes_;
  std::uint64_t largest_group_;    // tables
  std::uint64_t group_index_ = 0;  // of the first table in `group_`
  std::uint64_t group_count_ = 0;  // tables; 0: none is current
  std::uint64_t group_offset_ = 0;
  std::vector<std::byte> group_;
};

}  // namespace platter::qcow2
