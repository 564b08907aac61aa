#include "formats/vhd/block_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace platter::vhd {
namespace {

// Entries passed over in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint64_t kEntriesPerCall = std::uint64_t{1} << 22;
constexpr std::uint64_t kBitsPerWord = 64;

}  // namespace

BlockMap::BlockMap(std::shared_ptr<Storage> storage, const SparseHeader& header, std::uint64_t virtual_size,
                   bool bitmaps, const Limits& limits)
    : header_(header),
      virtual_size_(virtual_size),
      file_size_(storage->size()),
      bitmaps_(bitmaps),
      table_(storage, std::bit_ceil(std::uint64_t{header.table_entries} * kTableEntrySize), limits.table_cache / 2,
             TableWord::kBig32),
      bitmap_words_(std::move(storage), kSectorSize, limits.table_cache / 2) {}

Result<std::uint64_t> BlockMap::Entry(std::uint64_t block) {
  return table_.Word(header_.table_offset + block * kTableEntrySize);
}

// Of the block's bitmap.
Result<std::uint64_t> BlockMap::HostOffset(std::uint64_t block, std::uint64_t entry, bool whole_block) const {
  const std::uint64_t used =
      whole_block ? header_.block_size
                  : std::min<std::uint64_t>(header_.block_size, virtual_size_ - block * header_.block_size);
  if (FitsWithin(entry * kSectorSize, header_.bitmap_bytes() + used, file_size_)) return entry * kSectorSize;
  const std::uint64_t at = header_.table_offset + block * kTableEntrySize;
  return Error(ErrorKind::kCorrupt,
               "block-vpc: free_data_block_offset points after the end of file. The image has been truncated.")
      .At("block allocation table", fmt::format("entry {}", block), at)
      .Found(fmt::format("sector {:#x}", entry))
      .Allowed(fmt::format("0xffffffff, or a block of {} bytes inside the file's {}", header_.bitmap_bytes() + used,
                           file_size_));
}

Result<> BlockMap::CheckBlocks(bool whole_blocks) {
  const std::uint64_t count = DivideRoundingUp<std::uint64_t>(virtual_size_, header_.block_size);
  const std::uint64_t fits =
      file_size_ < header_.stored_block_bytes() ? 0 : (file_size_ - header_.stored_block_bytes()) / kSectorSize + 1;
  for (std::uint64_t block = 0; block < count;) {
    const std::uint64_t at = header_.table_offset + block * kTableEntrySize;
    const auto page = PLATTER_TRY(table_.Get(at));
    for (std::size_t word = (at - page->offset) / kTableEntrySize; word < page->words.size() && block < count; ++word) {
      const std::uint64_t entry = page->words[word];
      if (entry != kUnallocated && entry >= fits) PLATTER_CHECK(HostOffset(block, entry, whole_blocks));
      ++block;
    }
  }
  return Done{};
}

// The first allocated block from `block` on, or `end`.
Result<std::uint64_t> BlockMap::UnallocatedUpTo(std::uint64_t block, std::uint64_t end) {
  while (block < end) {
    const std::uint64_t at = header_.table_offset + block * kTableEntrySize;
    const auto page = PLATTER_TRY(table_.Get(at));
    const auto rest = std::span(page->words).subspan((at - page->offset) / kTableEntrySize);
    const auto entries = rest.first(std::min<std::uint64_t>(rest.size(), end - block));
    const auto allocated = std::ranges::find_if(entries, [](std::uint64_t entry) { return entry != kUnallocated; });
    block += static_cast<std::uint64_t>(allocated - entries.begin());
    if (allocated != entries.end()) break;
  }
  return block;
}

// The run of sectors with equal bits from guest byte `in_block` of the block on, at most `length` bytes. The first
// sector is the highest bit of the first byte.
Result<BlockRun> BlockMap::InBitmap(std::uint64_t bitmap, std::uint64_t in_block, std::uint64_t length) {
  const std::uint64_t end = DivideRoundingUp(in_block + length, kSectorSize);
  std::uint64_t sector = in_block / kSectorSize;
  bool stored = false;
  for (bool first = true; sector < end; first = false) {
    const std::uint64_t word = PLATTER_TRY(bitmap_words_.Word(bitmap + sector / kBitsPerWord * 8));
    const std::uint64_t shifted = word << sector % kBitsPerWord;
    if (first) stored = shifted >> (kBitsPerWord - 1) != 0;
    const auto equal = static_cast<std::uint64_t>(std::countl_zero(stored ? ~shifted : shifted));
    const std::uint64_t rest = kBitsPerWord - sector % kBitsPerWord;
    sector += std::min(equal, rest);
    if (equal < rest) break;
  }
  return BlockRun{std::min(sector * kSectorSize - in_block, length), stored, 0};
}

Result<BlockRun> BlockMap::At(ByteRange range) {
  const std::uint64_t block = range.offset() / header_.block_size;
  const std::uint64_t entry = PLATTER_TRY(Entry(block));
  if (entry == kUnallocated) {
    const std::uint64_t last = std::min((range.end() - 1) / header_.block_size + 1, block + kEntriesPerCall);
    const std::uint64_t next = PLATTER_TRY(UnallocatedUpTo(block + 1, last));
    return BlockRun{std::min(next * header_.block_size, range.end()) - range.offset(), false, 0};
  }
  const std::uint64_t bitmap = PLATTER_TRY(HostOffset(block, entry, false));
  const std::uint64_t in_block = range.offset() % header_.block_size;
  const std::uint64_t length = std::min(range.length(), header_.block_size - in_block);
  BlockRun run{length, true, 0};
  if (bitmaps_) run = PLATTER_TRY(InBitmap(bitmap, in_block, length));
  run.host = bitmap + header_.bitmap_bytes() + in_block;
  return run;
}

}  // namespace platter::vhd
