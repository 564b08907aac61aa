#include "formats/qcow2/guest_map.h"

#include <algorithm>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kL1PageBytes = 65536;
constexpr std::uint64_t kL1PageEntries = kL1PageBytes / kL1EntrySize;

}  // namespace

GuestMap::GuestMap(const Header& header, Storage& storage, ClusterAllocator& allocator, bool dense)
    : storage_(storage),
      allocator_(allocator),
      dense_(dense),
      l1_bytes_(std::uint64_t{header.l1_size} * kL1EntrySize),
      entries_(header.l2_entries()),
      entry_size_(header.l2_entry_size()),
      l1_(kL1PageBytes),
      l2_(header.cluster_size()) {}

Result<std::uint64_t> GuestMap::Reserve() {
  if (l1_bytes_ == 0) return std::uint64_t{0};
  const std::uint64_t clusters = DivideRoundingUp(l1_bytes_, std::uint64_t{l2_.size()});
  l1_offset_ = PLATTER_TRY(allocator_.Allocate(clusters));
  // Pages without entries are never written.
  const std::uint64_t size = storage_.is_device() ? clusters * l2_.size() : l1_bytes_;
  for (std::uint64_t at = 0; (dense_ || storage_.is_device()) && at < size; at += kL1PageBytes) {
    PLATTER_CHECK(storage_.WriteAt(l1_offset_ + at, std::span(l1_).first(std::min(kL1PageBytes, size - at))));
  }
  return l1_offset_;
}

Result<> GuestMap::Enter(std::uint64_t guest_cluster) {
  const std::uint64_t index = guest_cluster / entries_;
  if (l2_offset_ != 0 && index == l2_index_) return Done{};
  PLATTER_CHECK(WriteL2());
  if (index / kL1PageEntries != l1_page_) {
    PLATTER_CHECK(WriteL1Page());
    l1_page_ = index / kL1PageEntries;
    std::ranges::fill(l1_, std::byte{0});
  }
  std::ranges::fill(l2_, std::byte{0});
  l2_index_ = index;
  l2_offset_ = PLATTER_TRY(allocator_.Allocate(1));
  StoreBe(l1_.data() + index % kL1PageEntries * kL1EntrySize, l2_offset_ | kCopied);
  return Done{};
}

void GuestMap::Set(std::uint64_t guest_cluster, std::uint64_t entry, std::uint64_t bitmap) {
  std::byte* slot = l2_.data() + guest_cluster % entries_ * entry_size_;
  StoreBe(slot, entry);
  if (entry_size_ == 16) StoreBe(slot + 8, bitmap);
}

Result<> GuestMap::WriteL2() {
  if (l2_offset_ == 0) return Done{};
  return WriteTable(storage_, l2_offset_, l2_, dense_);
}

Result<> GuestMap::WriteL1Page() {
  const std::uint64_t at = l1_page_ * kL1PageBytes;
  if (at >= l1_bytes_) return Done{};
  return WriteTable(storage_, l1_offset_ + at, std::span(l1_).first(std::min(kL1PageBytes, l1_bytes_ - at)), dense_);
}

Result<> GuestMap::Finish() {
  PLATTER_CHECK(WriteL2());
  return WriteL1Page();
}

}  // namespace platter::qcow2
