#include "formats/vdi/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/vdi/reader.h"

namespace platter::vdi {
namespace {

constexpr std::uint32_t kUnit = 4096;
// A differencing image takes whole blocks, and a batch has to hold one.
constexpr std::uint32_t kMaxWholeBlock = std::uint32_t{16} << 20;

}  // namespace

Updater::Updater(const Header& header, const UpdateRequest& request)
    : header_(header),
      storage_(request.storage),
      limits_(request.context.limits),
      map_(*storage_, header_.map_offset, header_.blocks) {
  traits_.unit = header_.has_parent() ? header_.block_size : std::min(kUnit, header_.block_size);
  traits_.batch_alignment = traits_.unit;
  traits_.starts_zeroed = false;
  traits_.looked_at = WriterTraits::kNothing;
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
    if (run.kind == Run::Kind::kBacking) continue;
    PLATTER_CHECK(ForEachPart(run, header_.block_size, [&](const Run& part) { return PlacePart(batch, part); }));
  }
  return Done{};
}

Result<> Updater::PlacePart(Batch& batch, const Run& part) {
  const auto block = static_cast<std::uint32_t>(part.offset / header_.block_size);
  std::uint32_t entry = PLATTER_TRY(map_.Get(block));
  if (entry == kNeverAllocated && header_.has_parent()) {
    if (part.length != header_.GuestBytes(block)) {
      return Error(ErrorKind::kUnsupported, "the source ends inside a block of which the rest lies in the parent")
          .Found(part.end())
          .Allowed(fmt::format("a multiple of {}", header_.block_size))
          .In(storage_->name());
    }
    if (part.kind == Run::Kind::kZero) {
      map_.Set(block, kDiscarded);
      return Done{};
    }
  }
  if (entry >= kDiscarded) {
    if (part.kind == Run::Kind::kZero) return Done{};
    entry = PLATTER_TRY(NewPlace());
    map_.Set(block, entry);
  }
  AppendRun(batch, *storage_, header_.HostOffset(entry) + part.offset % header_.block_size, part);
  return Done{};
}

Result<std::uint32_t> Updater::NewPlace() {
  while (used_.Contains(next_place_)) ++next_place_;
  (void)used_.Add(next_place_);
  ++header_.allocated_blocks;
  const std::uint64_t begin = header_.HostOffset(next_place_);
  end_ = std::max(end_, begin + header_.block_size);
  // What was there before is nobody's.
  PLATTER_CHECK(ClearStored(*storage_, begin, header_.block_size));
  return next_place_;
}

Result<> Updater::Finish() {
  PLATTER_CHECK(map_.Flush());
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
