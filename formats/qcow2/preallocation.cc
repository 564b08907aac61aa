#include "formats/qcow2/preallocation.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kWindowBytes = 65536;
// Section "Host cluster management": bits 9 to 63 of a refcount table entry.
constexpr std::uint64_t kBlockOffsetMask = ~kRefcountTableReserved;

template <std::unsigned_integral T>
std::uint64_t CountWords(std::span<const std::byte> bytes) {
  std::uint64_t count = 0;
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    count += LoadLe<T>(bytes.data() + at) != 0 ? 1 : 0;  // any byte order tells zero
  }
  return count;
}

std::uint64_t CountPacked(std::span<const std::byte> bytes, std::uint32_t bits) {
  const std::uint32_t mask = (1U << bits) - 1;
  std::uint64_t count = 0;
  for (const std::byte byte : bytes) {
    for (std::uint32_t shift = 0; shift < 8; shift += bits) {
      count += (std::to_integer<std::uint32_t>(byte) >> shift & mask) != 0 ? 1 : 0;
    }
  }
  return count;
}

// Refcounts in `bytes` that are not zero.
std::uint64_t CountUsed(std::span<const std::byte> bytes, std::uint32_t bits) {
  switch (bits) {
    case 8:
      return CountWords<std::uint8_t>(bytes);
    case 16:
      return CountWords<std::uint16_t>(bytes);
    case 32:
      return CountWords<std::uint32_t>(bytes);
    case 64:
      return CountWords<std::uint64_t>(bytes);
    default:
      return CountPacked(bytes, bits);
  }
}

class Counter {
 public:
  Counter(Storage& storage, const Header& header, std::uint64_t enough)
      : storage_(storage), header_(header), enough_(enough), window_(kWindowBytes) {}

  // Clusters in use among the file's first `clusters`, counted no further than needed.
  Result<std::uint64_t> Count(std::uint64_t clusters) {
    const std::uint64_t per_block = header_.refcount_block_entries();
    const std::uint64_t table_entries =
        (std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits) / kRefcountTableEntrySize;
    const std::uint64_t blocks = std::min(table_entries, DivideRoundingUp(clusters, per_block));
    for (std::uint64_t block = 0; block < blocks && used_ < enough_; ++block) {
      const std::uint64_t offset = PLATTER_TRY(BlockOffset(block));
      if (offset == 0) continue;
      PLATTER_CHECK(CountBlock(offset, std::min(per_block, clusters - block * per_block)));
    }
    return used_;
  }

 private:
  // 0 for a block that is not there or cannot be.
  Result<std::uint64_t> BlockOffset(std::uint64_t block) {
    constexpr std::uint64_t kTablePart = 4096;
    const std::uint64_t at = block * kRefcountTableEntrySize;
    if (at % kTablePart == 0) {
      table_.resize(kTablePart);
      PLATTER_CHECK(storage_.ReadPadded(header_.refcount_table_offset + at, table_));
    }
    const std::uint64_t offset = LoadBe<std::uint64_t>(table_.data() + at % kTablePart) & kBlockOffsetMask;
    const bool sound =
        IsAligned(offset, header_.cluster_size()) && FitsWithin(offset, header_.cluster_size(), storage_.size());
    return sound ? offset : 0;
  }

  Result<> CountBlock(std::uint64_t offset, std::uint64_t entries) {
    std::uint64_t bytes = DivideRoundingUp<std::uint64_t>(entries * header_.refcount_bits(), 8);
    while (bytes > 0 && used_ < enough_) {
      const auto part = std::span(window_).first(std::min(bytes, kWindowBytes));
      PLATTER_CHECK(storage_.ReadAt(offset, part));
      used_ += CountUsed(part, header_.refcount_bits());
      offset += part.size();
      bytes -= part.size();
    }
    return Done{};
  }

  Storage& storage_;
  const Header& header_;
  std::uint64_t enough_;
  std::uint64_t used_ = 0;
  std::vector<std::byte> table_;
  std::vector<std::byte> window_;
};

}  // namespace

Result<bool> LooksPreallocated(Storage& storage, const Header& header) {
  const std::uint64_t clusters = DivideRoundingUp(storage.size(), header.cluster_size());
  const std::uint64_t stored = storage.allocated_size() / header.cluster_size();
  // A tenth missing, and at least two clusters: less than that is how file systems round.
  const std::uint64_t enough = std::max(stored + stored / 9, stored + 2);
  if (clusters < enough) return false;
  return PLATTER_TRY(Counter(storage, header, enough).Count(clusters)) >= enough;
}

}  // namespace platter::qcow2
