#include "formats/vhdx/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kUnit = 4096;
constexpr std::uint64_t kBatchAlignment = 65536;
constexpr std::uint64_t kPageBytes = 65536;
constexpr std::uint64_t kPageEntries = kPageBytes / kBatEntrySize;

}  // namespace

Updater::Updater(Structure structure)
    : structure_(std::move(structure)),
      geometry_(structure_.metadata.geometry),
      storage_(*structure_.storage),
      traits_{.unit = kUnit,
              .batch_alignment = kBatchAlignment,
              .starts_zeroed = false,
              .looked_at = WriterTraits::kNothing},
      first_own_(AlignUp(storage_.size(), kMiB)),
      next_host_(first_own_) {}

Result<> Updater::Begin() {
  Header header = structure_.headers.header();
  header.file_write = Guid::Random();
  header.data_write = Guid::Random();
  PLATTER_CHECK(UpdateHeaders(storage_, structure_.headers, header));
  begun_ = true;
  return Done{};
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  if (!begun_) PLATTER_CHECK(Begin());
  for (const Run& run : batch.runs) {
    if (run.kind == Run::Kind::kBacking) continue;
    PLATTER_CHECK(ForEachPart(run, geometry_.block_size, [&](const Run& part) { return PlaceInBlock(batch, part); }));
  }
  return Done{};
}

Error Updater::BadEntry(const char* what, std::uint64_t index, BatEntry entry) const {
  return Error(ErrorKind::kCorrupt, what)
      .At("block allocation table", fmt::format("entry {}", index),
          structure_.regions.bat.offset + index * kBatEntrySize)
      .Found(fmt::format("{:#x}", entry.word))
      .In(storage_.name());
}

// Requires: the part lies inside one block.
Result<> Updater::PlaceInBlock(Batch& batch, const Run& part) {
  const std::uint64_t block = part.offset / geometry_.block_size;
  const std::uint64_t index = geometry_.PayloadEntry(block);
  const BatEntry entry = PLATTER_TRY(Entry(index));
  // Only a disk with a parent has the bitmap that says which part is there.
  const bool part_alone = entry.Is(BlockState::kPartiallyPresent) && !geometry_.has_parent;
  if (part_alone) return BadEntry("block of a disk without a parent is there in part", index, entry);
  if (!entry.stored() && part.kind == Run::Kind::kZero) return PlaceZeros(batch, part, entry);
  // Blocks of our own lie where the file has not grown to yet.
  const bool own = entry.offset() >= first_own_ && entry.offset() < next_host_;
  if (entry.stored() && own) return WriteTo(batch, part, entry);
  if (entry.stored()) {
    const std::uint64_t used = std::min(geometry_.block_size, geometry_.virtual_size - block * geometry_.block_size);
    if (const char* wrong = WrongPlace(structure_, entry.offset(), used)) return BadEntry(wrong, index, entry);
    return WriteTo(batch, part, entry);
  }
  const bool whole = part.length == geometry_.block_size || part.end() == geometry_.virtual_size;
  const BatEntry fresh = PLATTER_TRY(Allocate(block, entry, whole && part.offset % geometry_.block_size == 0));
  return WriteTo(batch, part, fresh);
}

Result<> Updater::PlaceZeros(Batch& batch, const Run& part, BatEntry entry) {
  if (!geometry_.has_parent || !entry.Is(BlockState::kNotPresent)) return Done{};
  const std::uint64_t block = part.offset / geometry_.block_size;
  const bool whole = part.offset % geometry_.block_size == 0 &&
                     (part.length == geometry_.block_size || part.end() == geometry_.virtual_size);
  if (whole) return SetEntry(geometry_.PayloadEntry(block), MakeBatEntry(BlockState::kZero));
  return WriteTo(batch, part, PLATTER_TRY(Allocate(block, entry, false)));
}

// `whole`: all of the block is about to be written. Otherwise the rest keeps what the guest reads there: zeros, as a
// file that grows has them, or the parent's.
Result<BatEntry> Updater::Allocate(std::uint64_t block, BatEntry old, bool whole) {
  const bool parents = geometry_.has_parent && old.Is(BlockState::kNotPresent) && !whole;
  const BlockState state = parents ? BlockState::kPartiallyPresent : BlockState::kFullyPresent;
  const BatEntry entry{MakeBatEntry(state, next_host_)};
  next_host_ += geometry_.block_size;
  if (parents) {
    // Whatever the bitmap says of this block is of an earlier life.
    PLATTER_CHECK(LoadBitmap(block / geometry_.chunk_ratio()));
    const std::uint64_t bytes = geometry_.block_size / geometry_.logical_sector / 8;
    std::ranges::fill(std::span(bitmap_).subspan(block % geometry_.chunk_ratio() * bytes, bytes), std::byte{0});
    bitmap_dirty_ = true;
  }
  // Last: no entry of a part of a block reaches the file before its bitmap's.
  PLATTER_CHECK(SetEntry(geometry_.PayloadEntry(block), entry.word));
  return entry;
}

Result<> Updater::WriteTo(Batch& batch, const Run& part, BatEntry entry) {
  const std::uint64_t host = entry.offset() + part.offset % geometry_.block_size;
  if (entry.Is(BlockState::kPartiallyPresent)) PLATTER_CHECK(MarkSectors(part));
  AppendRun(batch, storage_, host, part);
  return Done{};
}

Result<> Updater::MarkSectors(const Run& part) {
  if (!IsAligned(part.end(), geometry_.logical_sector) && part.end() != geometry_.virtual_size) {
    return Error(ErrorKind::kUnsupported, "the source ends inside a sector of which the rest lies in the parent")
        .Found(part.end())
        .Allowed(fmt::format("a multiple of {}", geometry_.logical_sector))
        .In(storage_.name());
  }
  const std::uint64_t chunk_bytes = geometry_.chunk_ratio() * geometry_.block_size;
  PLATTER_CHECK(LoadBitmap(part.offset / chunk_bytes));
  const std::uint64_t first = part.offset % chunk_bytes / geometry_.logical_sector;
  const std::uint64_t end = first + DivideRoundingUp(part.length, geometry_.logical_sector);
  for (std::uint64_t sector = first; sector < end; ++sector) bitmap_[sector / 8] |= std::byte{1} << (sector % 8);
  bitmap_dirty_ = true;
  return Done{};
}

Result<BatEntry> Updater::Entry(std::uint64_t index) {
  PLATTER_CHECK(LoadPage(index));
  return BatEntry{LoadLe<std::uint64_t>(page_.data() + index % kPageEntries * kBatEntrySize)};
}

Result<> Updater::SetEntry(std::uint64_t index, std::uint64_t word) {
  PLATTER_CHECK(LoadPage(index));
  StoreLe(page_.data() + index % kPageEntries * kBatEntrySize, word);
  page_dirty_ = true;
  return Done{};
}

Result<> Updater::LoadPage(std::uint64_t index) {
  if (index / kPageEntries == page_index_) return Done{};
  PLATTER_CHECK(FlushTables());
  page_index_ = kNone;
  const std::uint64_t page = index / kPageEntries;
  const std::uint64_t table = geometry_.bat_entries() * kBatEntrySize;
  page_.resize(std::min(kPageBytes, table - page * kPageBytes));
  PLATTER_CHECK(storage_.ReadAt(structure_.regions.bat.offset + page * kPageBytes, page_));
  page_index_ = page;
  return Done{};
}

Result<> Updater::LoadBitmap(std::uint64_t chunk) {
  if (chunk == chunk_) return Done{};
  PLATTER_CHECK(FlushTables());
  chunk_ = kNone;
  const std::uint64_t index = geometry_.BitmapEntry(chunk);
  const BatEntry entry = PLATTER_TRY(Entry(index));
  bitmap_.assign(kBitmapBlockSize, std::byte{0});
  bitmap_host_ = entry.offset();
  if (!entry.Is(BlockState::kFullyPresent)) {
    bitmap_host_ = next_host_;
    next_host_ += kBitmapBlockSize;
    PLATTER_CHECK(SetEntry(index, MakeBatEntry(BlockState::kFullyPresent, bitmap_host_)));
  } else if (const char* wrong = WrongPlace(structure_, bitmap_host_, kBitmapBlockSize)) {
    return BadEntry(wrong, index, entry);
  } else {
    PLATTER_CHECK(storage_.ReadAt(bitmap_host_, bitmap_));
  }
  chunk_ = chunk;
  return Done{};
}

// Blocks and bitmaps first, then the entries that name them.
Result<> Updater::FlushTables() {
  if (!page_dirty_ && !bitmap_dirty_) return Done{};
  if (storage_.size() < next_host_) PLATTER_CHECK(storage_.Resize(next_host_));
  if (bitmap_dirty_) PLATTER_CHECK(storage_.WriteAt(bitmap_host_, bitmap_));
  bitmap_dirty_ = false;
  PLATTER_CHECK(storage_.Sync());
  if (page_dirty_) PLATTER_CHECK(storage_.WriteAt(structure_.regions.bat.offset + page_index_ * kPageBytes, page_));
  page_dirty_ = false;
  return Done{};
}

Result<> Updater::Finish() {
  PLATTER_CHECK(FlushTables());
  return storage_.Sync();
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) {
    return Error(ErrorKind::kUnsupported, "VHDX images cannot be compressed").In(request.storage->name());
  }
  auto updater =
      std::make_unique<Updater>(PLATTER_TRY(ReadStructure(request.storage, Replay::kInPlace, request.context.limits)));
  return std::unique_ptr<ImageWriter>(std::move(updater));
}

}  // namespace platter::vhdx
