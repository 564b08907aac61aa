#include "formats/ploop/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/ploop/bat.h"

namespace platter::ploop {
namespace {

constexpr std::uint64_t kUnit = 4096;

}  // namespace

Updater::Updater(const Header& header, const UpdateRequest& request)
    : header_(header),
      storage_(request.storage),
      limits_(request.context.limits),
      table_(*storage_, header_.EntryOffset(0), header_.entries) {
  traits_.unit = std::has_single_bit(header_.cluster_size) ? std::min(kUnit, header_.cluster_size) : kUnit;
  traits_.batch_alignment = traits_.unit;
  traits_.starts_zeroed = false;
  traits_.looked_at = WriterTraits::kNothing;
}

Result<> Updater::Start() {
  if (header_.open()) {
    return Error(ErrorKind::kUnsupported, "parallels: Image was not closed correctly; cannot be opened read/write")
        .At("ploop header", "in_use", HeaderLayout::kInUse.offset)
        .Try("run platter check -r all");
  }
  if (header_.extension_offset != 0) {
    return Error(ErrorKind::kUnsupported, "images with dirty bitmaps are only read")
        .At("ploop header", "extension_offset", HeaderLayout::kExtensionOffset.offset);
  }
  const std::uint64_t file_size = storage_->size();
  PLATTER_CHECK(ForEachEntry(*storage_, header_, [&](std::uint64_t cluster, std::uint32_t entry) -> Result<> {
    if (auto checked = CheckEntry(header_, cluster, entry, file_size); !checked.ok()) return checked;
    if (!used_.Add(PlaceOf(header_, entry))) {
      return Error(ErrorKind::kCorrupt, "cluster is used for more than one part of the disk")
          .At("block allocation table", fmt::format("entry {}", cluster), header_.EntryOffset(cluster))
          .Found(entry);
    }
    end_ = std::max(end_, header_.HostOffset(entry) + header_.cluster_size);
    if (used_.memory() <= limits_.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "block allocation table is too large").In(storage_->name());
  }));
  return Done{};
}

Result<> Updater::MarkInUse(std::uint32_t mark) {
  std::vector<std::byte> field(sizeof(mark));
  StoreLe(field.data(), mark);
  return storage_->WriteAt(HeaderLayout::kInUse.offset, field);
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  if (!begun_) PLATTER_CHECK(MarkInUse(kInUseOpen));
  begun_ = true;
  for (const Run& run : batch.runs) {
    if (run.kind == Run::Kind::kBacking) continue;
    PLATTER_CHECK(ForEachPart(run, header_.cluster_size, [&](const Run& part) { return PlacePart(batch, part); }));
  }
  return Done{};
}

Result<> Updater::PlacePart(Batch& batch, const Run& part) {
  const auto cluster = static_cast<std::uint32_t>(part.offset / header_.cluster_size);
  std::uint32_t entry = PLATTER_TRY(table_.Get(cluster));
  if (entry == 0) {
    if (part.kind == Run::Kind::kZero) return Done{};
    entry = PLATTER_TRY(NewEntry());
    table_.Set(cluster, entry);
  }
  AppendRun(batch, *storage_, header_.HostOffset(entry) + part.offset % header_.cluster_size, part);
  return Done{};
}

Result<std::uint32_t> Updater::NewEntry() {
  while (used_.Contains(next_place_)) ++next_place_;
  (void)used_.Add(next_place_);
  const std::uint64_t begin = header_.PlaceOffset(next_place_);
  if (begin / header_.scale() > 0xFFFFFFFF) {
    return Error(ErrorKind::kLimit, "image file grows past what its allocation table can say").In(storage_->name());
  }
  end_ = std::max(end_, begin + header_.cluster_size);
  // What was there before is nobody's.
  PLATTER_CHECK(ClearStored(*storage_, begin, header_.cluster_size));
  return header_.EntryOf(begin);
}

Result<> Updater::Finish() {
  PLATTER_CHECK(table_.Flush());
  if (!storage_->is_device() && storage_->size() < end_) PLATTER_CHECK(storage_->Resize(end_));
  PLATTER_CHECK(storage_->Sync());
  if (begun_) PLATTER_CHECK(MarkInUse(header_.in_use));
  return storage_->Sync();
}

}  // namespace platter::ploop
