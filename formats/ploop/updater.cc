#include "formats/ploop/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/checked.h"
#include "formats/ploop/bat.h"

namespace platter::ploop {
namespace {

constexpr std::uint64_t kUnit = 4096;
constexpr std::uint64_t kTableEntries = 16384;

}  // namespace

Updater::Updater(const Header& header, const UpdateRequest& request)
    : header_(header), storage_(request.storage), limits_(request.context.limits) {
  traits_.unit = std::has_single_bit(header_.cluster_size) ? std::min(kUnit, header_.cluster_size) : kUnit;
  traits_.batch_alignment = traits_.unit;
  traits_.starts_zeroed = false;
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
  return MarkInUse(kInUseOpen);
}

Result<> Updater::MarkInUse(std::uint32_t mark) {
  std::vector<std::byte> field(sizeof(mark));
  StoreLe(field.data(), mark);
  return storage_->WriteAt(HeaderLayout::kInUse.offset, field);
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
    const std::uint64_t length = std::min(run.end() - at, header_.cluster_size - at % header_.cluster_size);
    PLATTER_CHECK(PlacePart(batch, {run.kind, at, length}));
    at += length;
  }
  return Done{};
}

Result<> Updater::PlacePart(Batch& batch, const Run& part) {
  const auto cluster = static_cast<std::uint32_t>(part.offset / header_.cluster_size);
  const bool zero = part.kind == Run::Kind::kZero;
  std::uint32_t entry = PLATTER_TRY(Entry(cluster));
  if (entry == 0) {
    if (zero) return Done{};
    entry = PLATTER_TRY(NewEntry());
    SetEntry(cluster, entry);
  }
  const std::uint64_t host = header_.HostOffset(entry) + part.offset % header_.cluster_size;
  if (zero) {
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

Result<std::uint32_t> Updater::NewEntry() {
  while (used_.Contains(next_place_)) ++next_place_;
  (void)used_.Add(next_place_);
  const std::uint64_t begin = header_.PlaceOffset(next_place_);
  if (begin / header_.scale() > 0xFFFFFFFF) {
    return Error(ErrorKind::kLimit, "image file grows past what its allocation table can say").In(storage_->name());
  }
  end_ = std::max(end_, begin + header_.cluster_size);
  const std::lock_guard lock(punch_mutex_);
  // What was there before is nobody's.
  if (begin < storage_->size()) {
    PLATTER_CHECK(storage_->Punch(begin, std::min(header_.cluster_size, storage_->size() - begin)));
  }
  return header_.EntryOf(begin);
}

Result<std::uint32_t> Updater::Entry(std::uint32_t cluster) {
  if (table_.empty() || cluster < table_first_ || cluster - table_first_ >= table_.size() / kEntrySize) {
    PLATTER_CHECK(WriteTable());
    table_first_ = cluster / kTableEntries * kTableEntries;
    table_.resize(std::min(kTableEntries, header_.entries - table_first_) * kEntrySize);
    PLATTER_CHECK(storage_->ReadAt(header_.EntryOffset(table_first_), table_));
  }
  return LoadLe<std::uint32_t>(table_.data() + (cluster - table_first_) * kEntrySize);
}

void Updater::SetEntry(std::uint32_t cluster, std::uint32_t entry) {
  StoreLe(table_.data() + (cluster - table_first_) * kEntrySize, entry);
  table_dirty_ = true;
}

Result<> Updater::WriteTable() {
  if (table_dirty_) PLATTER_CHECK(storage_->WriteAt(header_.EntryOffset(table_first_), table_));
  table_dirty_ = false;
  return Done{};
}

Result<> Updater::Finish() {
  PLATTER_CHECK(WriteTable());
  if (!storage_->is_device() && storage_->size() < end_) PLATTER_CHECK(storage_->Resize(end_));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(MarkInUse(header_.in_use));
  return storage_->Sync();
}

}  // namespace platter::ploop
