#include "formats/qcow2/guest_map.h"

#include <algorithm>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kL1PageBytes = 65536;
constexpr std::uint64_t kL1PageEntries = kL1PageBytes / kL1EntrySize;
constexpr std::uint64_t kGroupBytes = 65536;

}  // namespace

GuestMap::GuestMap(const Header& header, Storage& storage, ClusterAllocator& allocator, bool dense, bool every_table)
    : storage_(storage),
      allocator_(allocator),
      dense_(dense),
      l1_bytes_(std::uint64_t{header.l1_size} * kL1EntrySize),
      entries_(header.l2_entries()),
      entry_size_(header.l2_entry_size()),
      l1_(kL1PageBytes),
      table_bytes_(header.cluster_size()),
      largest_group_(every_table ? std::max<std::uint64_t>(kGroupBytes / table_bytes_, 1) : 1),
      group_(largest_group_ * table_bytes_) {}

Result<std::uint64_t> GuestMap::Reserve() {
  if (l1_bytes_ == 0) return std::uint64_t{0};
  const std::uint64_t clusters = DivideRoundingUp(l1_bytes_, table_bytes_);
  l1_offset_ = PLATTER_TRY(allocator_.Allocate(clusters));
  // Pages without entries are never written.
  const std::uint64_t size = storage_.is_device() ? clusters * table_bytes_ : l1_bytes_;
  for (std::uint64_t at = 0; (dense_ || storage_.is_device()) && at < size; at += kL1PageBytes) {
    PLATTER_CHECK(storage_.WriteAt(l1_offset_ + at, std::span(l1_).first(std::min(kL1PageBytes, size - at))));
  }
  return l1_offset_;
}

Result<> GuestMap::Enter(std::uint64_t guest_cluster) {
  const std::uint64_t index = guest_cluster / entries_;
  if (index < group_index_ + group_count_) return Done{};
  PLATTER_CHECK(WriteGroup());
  if (index / kL1PageEntries != l1_page_) {
    PLATTER_CHECK(WriteL1Page());
    l1_page_ = index / kL1PageEntries;
    std::ranges::fill(l1_, std::byte{0});
  }
  return StartGroup(index);
}

Result<> GuestMap::StartGroup(std::uint64_t index) {
  // Both sizes are powers of two: a group never reaches into the next page of the L1 table.
  const std::uint64_t window_end = AlignDown(index, largest_group_) + largest_group_;
  const std::uint64_t wanted = std::min(window_end, l1_bytes_ / kL1EntrySize) - index;
  const auto piece = PLATTER_TRY(allocator_.AllocateUpTo(wanted));
  group_index_ = index;
  group_count_ = piece.count;
  group_offset_ = piece.offset;
  std::ranges::fill(group_, std::byte{0});
  for (std::uint64_t table = 0; table < group_count_; ++table) {
    std::byte* entry = l1_.data() + (index + table) % kL1PageEntries * kL1EntrySize;
    StoreBe(entry, (group_offset_ + table * table_bytes_) | kCopied);
  }
  return Done{};
}

void GuestMap::Set(std::uint64_t guest_cluster, std::uint64_t entry, std::uint64_t bitmap) {
  // A table is its entries and nothing else: those of a group are counted through.
  std::byte* slot = group_.data() + (guest_cluster - group_index_ * entries_) * entry_size_;
  StoreBe(slot, entry);
  if (entry_size_ == 16) StoreBe(slot + 8, bitmap);
}

Result<> GuestMap::WriteGroup() {
  if (group_count_ == 0) return Done{};
  return WriteTable(storage_, group_offset_, std::span(group_).first(group_count_ * table_bytes_), dense_);
}

Result<> GuestMap::WriteL1Page() {
  const std::uint64_t at = l1_page_ * kL1PageBytes;
  if (at >= l1_bytes_) return Done{};
  return WriteTable(storage_, l1_offset_ + at, std::span(l1_).first(std::min(kL1PageBytes, l1_bytes_ - at)), dense_);
}

Result<> GuestMap::Finish() {
  PLATTER_CHECK(WriteGroup());
  return WriteL1Page();
}

}  // namespace platter::qcow2
