#include "formats/vdi/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vdi/reader.h"

namespace platter::vdi {
namespace {

constexpr std::uint32_t kUnit = 4096;
constexpr std::uint64_t kMapEntries = 16384;
// A differencing image takes whole blocks, and a batch has to hold one.
constexpr std::uint32_t kMaxWholeBlock = std::uint32_t{16} << 20;

}  // namespace

Updater::Updater(const Header& header, const UpdateRequest& request)
    : header_(header), storage_(request.storage), limits_(request.context.limits) {
  traits_.unit = header_.has_parent() ? header_.block_size : std::min(kUnit, header_.block_size);
  traits_.batch_alignment = traits_.unit;
  traits_.starts_zeroed = false;
}

Result<> Updater::Start() {
  if (header_.has_parent() && header_.block_size > kMaxWholeBlock) {
    return Error(ErrorKind::kUnsupported, "differencing images with such large blocks are only read")
        .Found(header_.block_size)
        .Allowed(fmt::format("up to {}", kMaxWholeBlock));
  }
  return ForEachEntry(*storage_, header_, [&](std::uint64_t block, std::uint32_t entry) -> Result<> {
    if (entry >= kDiscarded) return Done{};
    const bool inside =
        entry < header_.blocks && FitsWithin(header_.HostOffset(entry), header_.GuestBytes(block), storage_->size());
    if (!inside || !used_.Add(entry)) {
      return Error(ErrorKind::kCorrupt,
                   inside ? "block is used for more than one part of the disk" : "block lies outside the file")
          .At("block map", fmt::format("entry {}", block), header_.EntryOffset(block))
          .Found(entry);
    }
    end_ = std::max(end_, header_.HostOffset(entry) + header_.block_size);
    if (used_.memory() <= limits_.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "block map is too large").In(storage_->name());
  });
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kBacking) PLATTER_CHECK(PlaceRun(batch, run));
  }
  return Done{};
}

Result<> Updater::PlaceRun(Batch& batch, const Run& run) {
  for (std::uint64_t at = run.offset; at < run.end();) {
    const std::uint64_t length = std::min(run.end() - at, header_.block_size - at % header_.block_size);
    PLATTER_CHECK(PlacePart(batch, {run.kind, at, length}));
    at += length;
  }
  return Done{};
}

Result<> Updater::PlacePart(Batch& batch, const Run& part) {
  const auto block = static_cast<std::uint32_t>(part.offset / header_.block_size);
  const std::uint64_t inside = part.offset % header_.block_size;
  std::uint32_t entry = PLATTER_TRY(Entry(block));
  if (entry == kNeverAllocated && header_.has_parent()) {
    if (part.length != header_.GuestBytes(block)) {
      return Error(ErrorKind::kUnsupported, "the source ends inside a block of which the rest lies in the parent")
          .Found(part.end())
          .Allowed(fmt::format("a multiple of {}", header_.block_size))
          .In(storage_->name());
    }
    if (part.kind == Run::Kind::kZero) return SetEntry(block, kDiscarded);
  }
  if (entry >= kDiscarded) {
    if (part.kind == Run::Kind::kZero) return Done{};
    entry = PLATTER_TRY(NewPlace());
    PLATTER_CHECK(SetEntry(block, entry));
  }
  const std::uint64_t host = header_.HostOffset(entry) + inside;
  if (part.kind == Run::Kind::kZero) {
    batch.writes.push_back({storage_.get(), host, {}, part.length});
  } else {
    batch.writes.push_back({storage_.get(), host, batch.bytes.subspan(part.offset - batch.offset, part.length), 0});
  }
  return Done{};
}

Result<> Updater::Store(Batch& batch) {
  for (const HostWrite& write : batch.writes) {
    if (write.bytes.empty()) {
      const std::lock_guard lock(punch_mutex_);
      PLATTER_CHECK(write.file->Punch(write.offset, write.zeros));
    } else {
      PLATTER_CHECK(write.file->WriteAt(write.offset, write.bytes));
    }
  }
  return Done{};
}

Result<std::uint32_t> Updater::NewPlace() {
  while (used_.Contains(next_place_)) ++next_place_;
  (void)used_.Add(next_place_);
  ++header_.allocated_blocks;
  const std::uint64_t begin = header_.HostOffset(next_place_);
  end_ = std::max(end_, begin + header_.block_size);
  const std::lock_guard lock(punch_mutex_);
  // What was there before is nobody's.
  if (begin < storage_->size()) {
    PLATTER_CHECK(storage_->Punch(begin, std::min<std::uint64_t>(header_.block_size, storage_->size() - begin)));
  }
  return next_place_;
}

Result<std::uint32_t> Updater::Entry(std::uint32_t block) {
  if (map_.empty() || block < map_first_ || block - map_first_ >= map_.size() / kEntrySize) {
    PLATTER_CHECK(WriteMap());
    map_first_ = block / kMapEntries * kMapEntries;
    map_.resize(std::min(kMapEntries, header_.blocks - map_first_) * kEntrySize);
    PLATTER_CHECK(storage_->ReadAt(header_.EntryOffset(map_first_), map_));
  }
  return LoadLe<std::uint32_t>(map_.data() + (block - map_first_) * kEntrySize);
}

// Requires: Entry was asked for the same block before.
Result<> Updater::SetEntry(std::uint32_t block, std::uint32_t entry) {
  StoreLe(map_.data() + (block - map_first_) * kEntrySize, entry);
  map_dirty_ = true;
  return Done{};
}

Result<> Updater::WriteMap() {
  if (map_dirty_) PLATTER_CHECK(storage_->WriteAt(header_.EntryOffset(map_first_), map_));
  map_dirty_ = false;
  return Done{};
}

Result<> Updater::Finish() {
  PLATTER_CHECK(WriteMap());
  if (!storage_->is_device() && storage_->size() < end_) PLATTER_CHECK(storage_->Resize(end_));
  PLATTER_CHECK(storage_->Sync());
  std::vector<std::byte> field(kEntrySize);
  StoreLe(field.data(), header_.allocated_blocks);
  const bool old = header_.major_version == 0;
  const Uuid changed = PLATTER_TRY(RandomUuid());
  PLATTER_CHECK(storage_->WriteAt(old ? HeaderV0::kModificationUuid : HeaderV1::kModificationUuid, changed));
  PLATTER_CHECK(storage_->WriteAt(old ? HeaderV0::kAllocatedBlocks.offset : HeaderV1::kAllocatedBlocks.offset, field));
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "VDI images cannot be compressed");
  const Header header = PLATTER_TRY(ReadHeader(*request.storage, request.context.dialect));
  auto writer = std::make_unique<Updater>(header, request);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vdi
