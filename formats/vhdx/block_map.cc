#include "formats/vhdx/block_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kPageBytes = 65536;
constexpr std::uint64_t kBitsPerWord = 64;
constexpr std::uint8_t kNoState = 4;

bool Continues(const BlockRun& run, const BlockRun& next) {
  return run.kind == next.kind && (run.kind != BlockKind::kData || run.host + run.length == next.host);
}

}  // namespace

const char* WrongPlace(const Structure& structure, std::uint64_t offset, std::uint64_t length) {
  if (offset < kHeaderSectionEnd || !FitsWithin(offset, length, structure.storage->size())) {
    return "block lies outside the file";
  }
  const Region place{offset, length};
  const RegionTable& regions = structure.regions;
  if (place.Overlaps(structure.headers.header().log)) return "block overlaps the log";
  if (place.Overlaps(regions.bat)) return "block overlaps the block allocation table";
  if (place.Overlaps(regions.metadata)) return "block overlaps the metadata";
  // They do not overlap each other: the last one in front of the place's end reaches furthest.
  const auto behind = std::ranges::lower_bound(regions.others, place.end(), {}, &Region::offset);
  const bool overlaps = behind != regions.others.begin() && place.Overlaps(*std::prev(behind));
  return overlaps ? "block overlaps a region" : nullptr;
}

BlockMap::BlockMap(std::shared_ptr<const Structure> structure, const Limits& limits)
    : structure_(std::move(structure)),
      geometry_(structure_->metadata.geometry),
      tables_(structure_->storage, kPageBytes, limits.table_cache, TableWord::kLittle64) {}

Error BlockMap::Refuse(std::string what, std::uint64_t entry_index, std::uint64_t word) const {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At("block allocation table", fmt::format("entry {}", entry_index),
          structure_->regions.bat.offset + entry_index * kBatEntrySize)
      .Found(fmt::format("{:#x}", word))
      .In(structure_->storage->name());
}

Result<BlockRun> BlockMap::At(ByteRange range) {
  Cursor cursor;
  BlockRun run = PLATTER_TRY(RunAt(cursor, range.offset(), range.end()));
  while (run.length < range.length()) {
    auto next = RunAt(cursor, range.offset() + run.length, range.end());
    // A wrong entry further on is the business of who asks for it; a read that failed is not passed over.
    if (!next.ok() && next.error().kind() == ErrorKind::kIo) return std::move(next).error();
    if (!next.ok() || !Continues(run, next.value())) break;
    run.length += next.value().length;
  }
  return run;
}

Result<std::uint64_t> BlockMap::Word(Cursor& cursor, std::uint64_t offset) {
  const std::uint64_t page_bytes = tables_.page_bytes();
  if (cursor.page == nullptr || cursor.page->offset != AlignDown(offset, page_bytes)) {
    cursor.page = PLATTER_TRY(tables_.Get(offset));
  }
  return cursor.page->words[(offset - cursor.page->offset) / kBatEntrySize];
}

Result<BatEntry> BlockMap::EntryOf(Cursor& cursor, std::uint64_t block) {
  const std::uint64_t index = geometry_.PayloadEntry(block);
  const BatEntry entry{PLATTER_TRY(Word(cursor, structure_->regions.bat.offset + index * kBatEntrySize))};
  if (entry.state() == kNoState) {
    return Refuse("block has no legal state", index, entry.word).Allowed("state 0, 1, 2, 3, 5, 6 or 7");
  }
  if (entry.Is(BlockState::kPartiallyPresent) && !geometry_.has_parent) {
    return Refuse("block of a disk without a parent is there in part", index, entry.word);
  }
  if (!entry.stored()) return entry;
  // The file may end with the disk, inside its last block.
  const std::uint64_t used = std::min(geometry_.block_size, geometry_.virtual_size - block * geometry_.block_size);
  if (const char* wrong = WrongPlace(*structure_, entry.offset(), used)) {
    return Refuse(wrong, index, entry.word)
        .Allowed(
            fmt::format("a place of its own for {} bytes inside the file's {}", used, structure_->storage->size()));
  }
  return entry;
}

Result<BlockRun> BlockMap::RunAt(Cursor& cursor, std::uint64_t guest, std::uint64_t end) {
  const std::uint64_t block = guest / geometry_.block_size;
  const std::uint64_t in_block = guest % geometry_.block_size;
  const BatEntry entry = PLATTER_TRY(EntryOf(cursor, block));
  BlockRun run{.length = std::min(end - guest, geometry_.block_size - in_block)};
  if (entry.Is(BlockState::kNotPresent)) {
    const std::uint64_t next = entry.word == 0 ? PLATTER_TRY(SkipHole(block)) : block + 1;
    run.length = std::min(end - guest, next * geometry_.block_size - guest);
  } else if (entry.Is(BlockState::kPartiallyPresent)) {
    return RunOfPartial(cursor, entry.offset() + in_block, guest, guest + run.length);
  } else if (entry.Is(BlockState::kFullyPresent)) {
    run.kind = BlockKind::kData;
    run.host = entry.offset() + in_block;
  } else {
    // Undefined, zero, unmapped: what the guest reads is not the parent's.
    run.kind = BlockKind::kZero;
  }
  return run;
}

// The first block behind `block`, whose entry is empty, that may be in use: holes in the file are passed over.
Result<std::uint64_t> BlockMap::SkipHole(std::uint64_t block) {
  const std::uint64_t offset = structure_->regions.bat.offset + geometry_.PayloadEntry(block) * kBatEntrySize;
  // One question for each page of the table.
  if (offset % tables_.page_bytes() >= kBatEntrySize * 2) return block + 1;
  const DataRun run = PLATTER_TRY(structure_->storage->DataMap(offset));
  if (run.data) return block + 1;
  const std::uint64_t next_entry =
      geometry_.PayloadEntry(block) + std::max<std::uint64_t>(run.length / kBatEntrySize, 1);
  const std::uint64_t slots = geometry_.chunk_ratio() + 1;
  return next_entry / slots * geometry_.chunk_ratio() + std::min(next_entry % slots, geometry_.chunk_ratio());
}

Result<std::uint64_t> BlockMap::BitmapOf(std::uint64_t chunk) {
  const std::uint64_t index = geometry_.BitmapEntry(chunk);
  const BatEntry entry{PLATTER_TRY(tables_.Word(structure_->regions.bat.offset + index * kBatEntrySize))};
  if (!entry.Is(BlockState::kFullyPresent)) {
    return Refuse("no sector bitmap for blocks that are there in part", index, entry.word).Allowed("state 6");
  }
  if (const char* wrong = WrongPlace(*structure_, entry.offset(), kBitmapBlockSize)) {
    return Refuse(wrong, index, entry.word);
  }
  return entry.offset();
}

// `host`: of the guest byte `guest`. The run ends with the block at the latest.
Result<BlockRun> BlockMap::RunOfPartial(Cursor& cursor, std::uint64_t host, std::uint64_t guest, std::uint64_t end) {
  const std::uint64_t chunk_bytes = geometry_.chunk_ratio() * geometry_.block_size;
  const std::uint64_t bitmap = PLATTER_TRY(BitmapOf(guest / chunk_bytes));
  const std::uint64_t sector_size = geometry_.logical_sector;
  const std::uint64_t base = AlignDown(guest, chunk_bytes);
  const std::uint64_t last = DivideRoundingUp(end - base, sector_size);  // sector behind the run, in the chunk
  std::uint64_t sector = (guest - base) / sector_size;
  bool present = false;
  for (bool first = true; sector < last; first = false) {
    const std::uint64_t word = PLATTER_TRY(Word(cursor, bitmap + sector / kBitsPerWord * sizeof(std::uint64_t)));
    const std::uint64_t bits = word >> (sector % kBitsPerWord);
    if (first) present = (bits & 1) != 0;
    const auto same = static_cast<std::uint64_t>(present ? std::countr_one(bits) : std::countr_zero(bits));
    const std::uint64_t rest = kBitsPerWord - sector % kBitsPerWord;
    sector += std::min(same, rest);
    if (same < rest) break;
  }
  const std::uint64_t stop = std::min(end, base + sector * sector_size);
  return BlockRun{present ? BlockKind::kData : BlockKind::kUnallocated, stop - guest, present ? host : 0};
}

}  // namespace platter::vhdx
