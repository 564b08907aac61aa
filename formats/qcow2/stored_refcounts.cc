#include "formats/qcow2/stored_refcounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "formats/core/checked.h"
#include "formats/qcow2/refcount_entry.h"

namespace platter::qcow2 {

Result<> StoredRefcounts::Load() {
  table_.clear();
  const std::uint64_t cluster = header_.cluster_size();
  if (!IsAligned(header_.refcount_table_offset, cluster)) {
    return Error(ErrorKind::kCorrupt, "refcount table is not aligned to a cluster")
        .At("qcow2 header", "refcount table offset", HeaderV2::kRefcountTableOffset.offset)
        .Found(header_.refcount_table_offset)
        .Allowed(fmt::format("a multiple of {}", cluster));
  }
  table_.reserve(std::uint64_t{header_.refcount_table_clusters} * cluster / kRefcountTableEntrySize);
  for (std::uint64_t part = 0; part < header_.refcount_table_clusters; ++part) {
    const auto bytes = PLATTER_TRY(tables_.Read(header_.refcount_table_offset + part * cluster, cluster));
    for (std::size_t at = 0; at < bytes.size(); at += kRefcountTableEntrySize) {
      table_.push_back(LoadBe<std::uint64_t>(bytes.data() + at));
    }
  }
  return Done{};
}

std::uint64_t StoredRefcounts::BlockOffset(std::uint64_t cluster) const noexcept {
  const std::uint64_t index = cluster / clusters_per_block();
  return index < table_.size() ? table_[index] & ~kRefcountTableReserved : 0;
}

bool StoredRefcounts::IsReadable(std::uint64_t block_offset) const noexcept {
  constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
  return IsAligned(block_offset, header_.cluster_size()) && block_offset <= kLargestFile - header_.cluster_size();
}

Result<std::span<const std::byte>> StoredRefcounts::Block(std::uint64_t cluster) {
  const std::uint64_t offset = BlockOffset(cluster);
  if (offset == 0 || !IsReadable(offset)) return std::span<const std::byte>();
  if (offset == pending_offset_) return std::span<const std::byte>(pending_);
  return tables_.Read(offset, header_.cluster_size());
}

Result<std::uint64_t> StoredRefcounts::Get(std::uint64_t cluster) {
  const std::uint64_t offset = BlockOffset(cluster);
  if (offset == 0) return std::uint64_t{0};
  if (!IsReadable(offset)) {
    return Error(ErrorKind::kCorrupt, "refcount block is not aligned to a cluster, or lies past the end of any file")
        .At("refcount table", fmt::format("entry {}", cluster / clusters_per_block()))
        .Found(fmt::format("{:#x}", offset));
  }
  const auto block = PLATTER_TRY(Block(cluster));
  return GetRefcount(block, cluster % clusters_per_block(), header_.refcount_order);
}

Result<> StoredRefcounts::Set(std::uint64_t cluster, std::uint64_t count) {
  const std::uint64_t offset = BlockOffset(cluster);
  if (offset != pending_offset_) {
    PLATTER_CHECK(Flush());
    const auto block = PLATTER_TRY(tables_.Read(offset, header_.cluster_size()));
    pending_.assign(block.begin(), block.end());
    pending_offset_ = offset;
  }
  SetRefcount(pending_, cluster % clusters_per_block(), header_.refcount_order, count);
  return Done{};
}

Result<> StoredRefcounts::Flush() {
  if (pending_offset_ == 0) return Done{};
  const std::uint64_t offset = pending_offset_;
  pending_offset_ = 0;
  return tables_.Write(offset, pending_);
}

}  // namespace platter::qcow2
