#include "formats/qcow2/image_refcounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"
#include "formats/qcow2/refcount_entry.h"

namespace platter::qcow2 {
namespace {

constexpr std::size_t kCachedBytes = std::size_t{4} << 20;
constexpr std::size_t kFewestBlocks = 4;
constexpr std::size_t kMostBlocks = 64;  // they are searched one by one
// A search from the start is worth its while when at least one cluster in so many is free again.
constexpr std::uint64_t kWorthwhile = 16;

}  // namespace

ImageRefcounts::ImageRefcounts(Header& header, Storage& storage)
    : header_(header), storage_(storage), block_entries_(header.refcount_block_entries()) {
  // Blocks are referred to while others are loaded: they must not move.
  blocks_.reserve(std::clamp(kCachedBytes >> header.cluster_bits, kFewestBlocks, kMostBlocks));
}

Result<> ImageRefcounts::Load() {
  std::vector<std::byte> bytes(std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits);
  PLATTER_CHECK(storage_.ReadAt(header_.refcount_table_offset, bytes));
  const std::uint64_t file_size = storage_.size();
  for (std::size_t at = 0; at < bytes.size(); at += kRefcountTableEntrySize) {
    const auto offset = LoadBe<std::uint64_t>(bytes.data() + at);
    if (!IsAligned(offset, header_.cluster_size()) || !FitsWithin(offset, offset == 0 ? 0 : 1, file_size)) {
      return Error(ErrorKind::kCorrupt, "refcount block lies outside the file or is not aligned")
          .At("refcount table", fmt::format("entry {}", at / kRefcountTableEntrySize),
              header_.refcount_table_offset + at)
          .Found(fmt::format("{:#x}", offset))
          .Allowed(fmt::format("a multiple of {} below {}", header_.cluster_size(), file_size))
          .In(storage_.name());
    }
    table_.push_back(offset);
  }
  end_cluster_ = DivideRoundingUp(file_size, header_.cluster_size());
  lowest_freed_ = end_cluster_;
  return Done{};
}

Result<> ImageRefcounts::Write(Block& block) {
  if (!block.dirty) return Done{};
  block.dirty = false;
  return storage_.WriteAt(table_[block.index], block.counts);
}

Result<ImageRefcounts::Block*> ImageRefcounts::Room() {
  if (blocks_.size() < blocks_.capacity()) {
    blocks_.emplace_back().counts.resize(header_.cluster_size());
    return &blocks_.back();
  }
  Block& oldest = *std::ranges::min_element(blocks_, {}, &Block::last_use);
  PLATTER_CHECK(Write(oldest));
  return &oldest;
}

Result<ImageRefcounts::Block*> ImageRefcounts::Find(std::uint64_t index) {
  if (index >= table_.size() || table_[index] == 0) return nullptr;
  Block* block = latest_ < blocks_.size() && blocks_[latest_].index == index ? &blocks_[latest_] : nullptr;
  if (block == nullptr) {
    const auto known = std::ranges::find(blocks_, index, &Block::index);
    if (known != blocks_.end()) block = &*known;
  }
  if (block == nullptr) {
    block = PLATTER_TRY(Room());
    block->index = ~std::uint64_t{0};
    PLATTER_CHECK(storage_.ReadPadded(table_[index], block->counts));
    block->index = index;
  }
  block->last_use = ++uses_;
  latest_ = static_cast<std::size_t>(block - blocks_.data());
  return block;
}

Result<ImageRefcounts::Block*> ImageRefcounts::FindOrMake(std::uint64_t index) {
  if (index >= table_.size()) PLATTER_CHECK(GrowTable(index));
  if (Block* block = PLATTER_TRY(Find(index)); block != nullptr) return block;
  if (index == 0) {
    return Error(ErrorKind::kCorrupt, "the image's first clusters are not counted")
        .At("refcount table", "entry 0", header_.refcount_table_offset)
        .Found(0)
        .In(storage_.name());
  }
  Block* block = PLATTER_TRY(Room());
  std::ranges::fill(block->counts, std::byte{0});
  SetRefcount(block->counts, 0, header_.refcount_order, 1);  // the block's own cluster
  table_[index] = index * block_entries_ << header_.cluster_bits;
  *block = {.index = index, .last_use = ++uses_, .dirty = true, .counts = std::move(block->counts)};
  end_cluster_ = std::max(end_cluster_, index * block_entries_ + 1);
  PLATTER_CHECK(Write(*block));
  PLATTER_CHECK(WriteTableEntry(index));
  return block;
}

Result<> ImageRefcounts::WriteTableEntry(std::uint64_t index) {
  std::array<std::byte, kRefcountTableEntrySize> entry{};
  StoreBe(entry.data(), table_[index]);
  return storage_.WriteAt(header_.refcount_table_offset + index * kRefcountTableEntrySize, entry);
}

Result<std::uint64_t> ImageRefcounts::Get(std::uint64_t cluster) {
  const Block* block = PLATTER_TRY(Find(cluster / block_entries_));
  if (block == nullptr) return std::uint64_t{0};
  return GetRefcount(block->counts, cluster % block_entries_, header_.refcount_order);
}

Result<bool> ImageRefcounts::Add(std::uint64_t cluster) {
  Block* block = PLATTER_TRY(FindOrMake(cluster / block_entries_));
  const std::uint64_t index = cluster % block_entries_;
  const std::uint64_t count = GetRefcount(block->counts, index, header_.refcount_order);
  if (count == MaxRefcount(header_.refcount_order)) return false;
  SetRefcount(block->counts, index, header_.refcount_order, count + 1);
  block->dirty = true;
  return true;
}

Result<std::uint64_t> ImageRefcounts::Release(std::uint64_t cluster) {
  Block* block = PLATTER_TRY(Find(cluster / block_entries_));
  const std::uint64_t index = cluster % block_entries_;
  const std::uint64_t count = block == nullptr ? 0 : GetRefcount(block->counts, index, header_.refcount_order);
  if (count == 0) {
    return Error(ErrorKind::kCorrupt, "a cluster in use has no reference")
        .At("refcount block", "count", cluster << header_.cluster_bits)
        .Found(0)
        .Try("repair the image first: platter check -r all")
        .In(storage_.name());
  }
  SetRefcount(block->counts, index, header_.refcount_order, count - 1);
  block->dirty = true;
  if (count == 1) {
    lowest_freed_ = std::min(lowest_freed_, cluster);
    ++freed_;
  }
  return count - 1;
}

void ImageRefcounts::Rewind() {
  if (cursor_ < end_cluster_ || lowest_freed_ >= cursor_) return;
  if (freed_ * kWorthwhile < cursor_ - lowest_freed_) return;
  cursor_ = lowest_freed_;
  lowest_freed_ = end_cluster_;
  freed_ = 0;
}

Result<ImageRefcounts::Piece> ImageRefcounts::AllocateUpTo(std::uint64_t wanted) {
  Rewind();
  // A piece ends where the file does, so that many small requests get the same clusters as one large one.
  if (cursor_ < end_cluster_) wanted = std::min(wanted, end_cluster_ - cursor_);
  while (true) {
    Block* block = PLATTER_TRY(FindOrMake(cursor_ / block_entries_));
    const std::uint64_t first_of_block = cursor_ - cursor_ % block_entries_;
    std::uint64_t index = cursor_ % block_entries_;
    const auto free = [&](std::uint64_t at) {
      return at < block_entries_ && GetRefcount(block->counts, at, header_.refcount_order) == 0;
    };
    while (index < block_entries_ && !free(index)) ++index;
    const std::uint64_t first = index;
    for (; index - first < wanted && free(index); ++index) {
      SetRefcount(block->counts, index, header_.refcount_order, 1);
    }
    cursor_ = first_of_block + index;
    if (index == first) continue;
    block->dirty = true;
    end_cluster_ = std::max(end_cluster_, cursor_);
    return Piece{(first_of_block + first) << header_.cluster_bits, index - first};
  }
}

Result<> ImageRefcounts::GrowTable(std::uint64_t index) {
  // Behind everything else: the blocks that count what is added, then the new table.
  const std::uint64_t entries_per_cluster = header_.cluster_size() / kRefcountTableEntrySize;
  std::uint64_t clusters = header_.refcount_table_clusters;
  std::uint64_t blocks = 0;
  do {
    clusters += DivideRoundingUp<std::uint64_t>(clusters, 2);
    blocks = DivideRoundingUp(clusters, block_entries_ - 1);
  } while (index + blocks > clusters * entries_per_cluster);
  if (clusters << header_.cluster_bits > kMaxRefcountTableBytes) {
    return Error(ErrorKind::kLimit, "image file grows past what its refcounts can count").In(storage_.name());
  }
  const std::uint64_t start = index * block_entries_;
  const std::uint64_t end = start + blocks + clusters;
  table_.resize(clusters * entries_per_cluster);
  std::vector<std::byte> counts(header_.cluster_size());
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const std::uint64_t first = start + block * block_entries_;
    std::ranges::fill(counts, std::byte{0});
    for (std::uint64_t cluster = first; cluster < std::min(end, first + block_entries_); ++cluster) {
      SetRefcount(counts, cluster - first, header_.refcount_order, 1);
    }
    table_[index + block] = (start + block) << header_.cluster_bits;
    PLATTER_CHECK(storage_.WriteAt(table_[index + block], counts));
  }
  end_cluster_ = std::max(end_cluster_, end);
  return WriteGrownTable((start + blocks) << header_.cluster_bits, clusters);
}

Result<> ImageRefcounts::WriteGrownTable(std::uint64_t offset, std::uint64_t clusters) {
  std::vector<std::byte> bytes(table_.size() * kRefcountTableEntrySize);
  for (std::size_t index = 0; index < table_.size(); ++index) StoreBe(bytes.data() + index * 8, table_[index]);
  PLATTER_CHECK(storage_.WriteAt(offset, bytes));
  PLATTER_CHECK(Flush());

  const std::uint64_t old_first = header_.refcount_table_offset >> header_.cluster_bits;
  const std::uint64_t old_clusters = header_.refcount_table_clusters;
  header_.refcount_table_offset = offset;
  header_.refcount_table_clusters = static_cast<std::uint32_t>(clusters);
  // The two fields stand side by side.
  std::array<std::byte, 12> fields{};
  StoreBe(fields.data(), header_.refcount_table_offset);
  StoreBe(fields.data() + 8, header_.refcount_table_clusters);
  PLATTER_CHECK(storage_.WriteAt(HeaderV2::kRefcountTableOffset.offset, fields));
  for (std::uint64_t cluster = 0; cluster < old_clusters; ++cluster) PLATTER_CHECK(Release(old_first + cluster));
  return Done{};
}

Result<> ImageRefcounts::Flush() {
  for (Block& block : blocks_) PLATTER_CHECK(Write(block));
  return Done{};
}

}  // namespace platter::qcow2
