#include "formats/qcow2/cluster_allocator.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/qcow2/refcount_entry.h"

namespace platter::qcow2 {
namespace {

constexpr std::size_t kHostBlock = 4096;

Error TooLarge() {
  return Error(ErrorKind::kLimit, "image file grows past what its refcounts can count")
      .Try("use a larger cluster_size or smaller refcount_bits");
}

}  // namespace

Result<> WriteTable(Storage& storage, std::uint64_t host_offset, std::span<const std::byte> table, bool dense) {
  if (dense || storage.is_device()) return storage.WriteAt(host_offset, table);
  const auto last = std::find_if(table.rbegin(), table.rend(), [](std::byte byte) { return byte != std::byte{0}; });
  const auto used = static_cast<std::size_t>(table.rend() - last);
  return storage.WriteAt(host_offset, table.first(std::min(AlignUp(used, kHostBlock), table.size())));
}

ClusterAllocator::ClusterAllocator(const Header& header, Storage& storage, bool dense)
    : storage_(storage),
      dense_(dense),
      cluster_bits_(header.cluster_bits),
      refcount_order_(header.refcount_order),
      compressed_offset_bits_(header.compressed_offset_bits()),
      block_entries_(header.refcount_block_entries()),
      offsets_{header.cluster_size()},
      block_(header.cluster_size()) {
  CountUpTo(2);  // the header, the first block
}

void ClusterAllocator::CountUpTo(std::uint64_t end) {
  for (; next_ < end; ++next_) SetRefcount(block_, next_ % block_entries_, refcount_order_, 1);
}

Result<> ClusterAllocator::WriteBlock() { return WriteTable(storage_, offsets_.back(), block_, dense_); }

Result<> ClusterAllocator::StartBlock(std::uint64_t place) {
  if ((offsets_.size() + 1) * kRefcountTableEntrySize > kMaxRefcountTableBytes) return TooLarge();
  PLATTER_CHECK(WriteBlock());
  std::ranges::fill(block_, std::byte{0});
  offsets_.push_back(place << cluster_bits_);
  open_ = 0;  // its cluster's count is written
  return Done{};
}

Result<> ClusterAllocator::StartBlockAtBoundary() {
  if (next_ != BlockEnd()) return Done{};
  PLATTER_CHECK(StartBlock(next_));
  CountUpTo(next_ + 1);
  return Done{};
}

Result<ClusterAllocator::Piece> ClusterAllocator::AllocateUpTo(std::uint64_t wanted) {
  PLATTER_CHECK(StartBlockAtBoundary());
  const Piece piece{next_ << cluster_bits_, std::min(wanted, BlockEnd() - next_)};
  CountUpTo(next_ + piece.count);
  return piece;
}

Result<std::uint64_t> ClusterAllocator::Allocate(std::uint64_t count) {
  PLATTER_CHECK(StartBlockAtBoundary());
  const std::uint64_t first = next_;
  std::uint64_t end = first + count;
  CountUpTo(std::min(end, BlockEnd()));
  while (next_ < end) {
    // The block would lie inside the piece; it goes behind it.
    PLATTER_CHECK(StartBlock(end));
    ++end;
    CountUpTo(std::min(end, BlockEnd()));
  }
  return first << cluster_bits_;
}

bool ClusterAllocator::AddReference(std::uint64_t cluster) {
  const std::uint64_t index = cluster % block_entries_;
  const std::uint64_t count = GetRefcount(block_, index, refcount_order_);
  if (count == MaxRefcount(refcount_order_)) return false;
  SetRefcount(block_, index, refcount_order_, count + 1);
  return true;
}

Result<std::uint64_t> ClusterAllocator::AllocateBytes(std::uint64_t length, std::optional<std::uint16_t> phase) {
  const std::uint64_t cluster_size = std::uint64_t{1} << cluster_bits_;
  const std::uint64_t boundary = AlignUp(open_, cluster_size);
  // Unsigned numbers wrap: that is the distance modulo a sector.
  const std::uint64_t start = phase ? open_ + (*phase - open_) % kCompressedSector : open_;
  const std::uint64_t room = start < boundary ? boundary - start : 0;
  std::uint64_t offset = start;
  if (room < length || !AddReference(open_ >> cluster_bits_)) {
    const std::uint64_t fresh = PLATTER_TRY(Allocate(1));
    const bool continues = room != 0 && open_ != 0 && fresh == boundary && length > room;
    offset = continues && AddReference(open_ >> cluster_bits_) ? start : fresh + phase.value_or(0);
  }
  open_ = offset + length;
  if (open_ > std::uint64_t{1} << compressed_offset_bits_) return TooLarge();
  return offset;
}

std::uint64_t ClusterAllocator::BlocksWithTable(std::uint64_t clusters) const noexcept {
  std::uint64_t blocks = offsets_.size();
  std::uint64_t end = next_ + clusters;
  for (; blocks * block_entries_ < end; ++blocks) ++end;
  return blocks;
}

Result<ClusterAllocator::Piece> ClusterAllocator::Finish() {
  const std::uint64_t entries_per_cluster = block_.size() / kRefcountTableEntrySize;
  std::uint64_t clusters = 1;
  while (BlocksWithTable(clusters) > clusters * entries_per_cluster) ++clusters;
  const Piece piece{PLATTER_TRY(Allocate(clusters)), clusters};
  PLATTER_CHECK(WriteBlock());
  std::vector<std::byte> table(clusters << cluster_bits_);
  for (std::size_t index = 0; index < offsets_.size(); ++index) {
    StoreBe(table.data() + index * kRefcountTableEntrySize, offsets_[index]);
  }
  PLATTER_CHECK(WriteTable(storage_, piece.offset, table, dense_));
  return piece;
}

}  // namespace platter::qcow2
