#include "formats/qcow2/snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/qcow2/list_reader.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kEntryAlignment = 8;
constexpr std::uint64_t kNoIcount = ~std::uint64_t{0};

struct StringSizes {
  std::uint32_t extra = 0;
  std::uint32_t id = 0;
  std::uint32_t name = 0;
};

std::string FieldName(std::size_t index, std::string_view field) { return fmt::format("entry {} {}", index, field); }

StringSizes TakeFixedPart(RecordView<SnapshotEntry> view, SnapshotRecord& record) {
  record.l1_table_offset = view.Get<SnapshotEntry::kL1TableOffset>();
  record.l1_size = view.Get<SnapshotEntry::kL1Size>();
  record.info.date_seconds = view.Get<SnapshotEntry::kDateSeconds>();
  record.info.date_nanoseconds = view.Get<SnapshotEntry::kDateNanoseconds>();
  record.info.vm_clock_nanoseconds = view.Get<SnapshotEntry::kVmClockNanoseconds>();
  record.info.vm_state_size = view.Get<SnapshotEntry::kVmStateSize>();
  return {view.Get<SnapshotEntry::kExtraDataSize>(), view.Get<SnapshotEntry::kIdSize>(),
          view.Get<SnapshotEntry::kNameSize>()};
}

// An entry may hold a first part of the extra data only, or none.
void TakeExtraData(std::span<const std::byte> extra, SnapshotRecord& record) {
  const auto field = [&](auto at) -> std::optional<std::uint64_t> {
    if (extra.size() < at.offset + at.kWidth) return std::nullopt;
    return at.Decode(extra.data());
  };
  record.info.vm_state_size = field(SnapshotExtraData::kVmStateSize).value_or(record.info.vm_state_size);
  record.info.virtual_size = field(SnapshotExtraData::kVirtualSize).value_or(record.info.virtual_size);
  const auto icount = field(SnapshotExtraData::kIcount);
  if (icount && *icount != kNoIcount) record.info.icount = icount;
}

Result<std::string> TakeText(ListReader& list, std::uint32_t size, const std::string& field) {
  const auto bytes = PLATTER_TRY(list.Take(size, field));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<SnapshotRecord> TakeRecord(ListReader& list, std::size_t index, const Header& header) {
  SnapshotRecord record;
  record.entry_offset = list.position();
  record.info.virtual_size = header.virtual_size;
  const auto fixed = PLATTER_TRY(list.Take(SnapshotEntry::kSize, FieldName(index, "fixed part")));
  const StringSizes sizes = TakeFixedPart(RecordView<SnapshotEntry>(fixed.first<SnapshotEntry::kSize>()), record);
  if (sizes.extra > kMaxSnapshotExtraBytes) {
    return Error(ErrorKind::kCorrupt, "too much extra metadata in a snapshot table entry")
        .At("snapshot table", FieldName(index, "extra_data_size"),
            record.entry_offset + SnapshotEntry::kExtraDataSize.offset)
        .Found(sizes.extra)
        .Allowed("up to 1024");
  }
  TakeExtraData(PLATTER_TRY(list.Take(sizes.extra, FieldName(index, "extra data"))), record);
  record.info.id = PLATTER_TRY(TakeText(list, sizes.id, FieldName(index, "id")));
  record.info.name = PLATTER_TRY(TakeText(list, sizes.name, FieldName(index, "name")));
  return record;
}

}  // namespace

Result<std::vector<SnapshotRecord>> ReadSnapshotTable(Storage& storage, const Header& header, const Limits& limits) {
  std::vector<SnapshotRecord> records;
  if (header.snapshot_count == 0) return records;
  const std::uint64_t most = std::min(kMaxSnapshotTableBytes, limits.metadata_bytes);
  const std::uint64_t end = std::min(storage.size(), header.snapshots_offset + most);
  ListReader list(storage, "snapshot table", header.snapshots_offset, end);
  for (std::size_t index = 0; index < header.snapshot_count; ++index) {
    // The padding stands between entries: the last one may end with the file.
    if (index > 0) PLATTER_CHECK(list.AlignTo(kEntryAlignment, FieldName(index, "padding")));
    records.push_back(PLATTER_TRY(TakeRecord(list, index, header)));
  }
  return records;
}

Result<> CheckSnapshotL1(const SnapshotRecord& snapshot, const Header& header, std::uint64_t file_size) {
  const auto complain = [&](std::string what, std::string field, std::size_t at, std::string found,
                            std::string allowed) -> Error {
    return Error(ErrorKind::kCorrupt, std::move(what))
        .At("snapshot table", fmt::format("{} of snapshot {}", field, snapshot.info.id), snapshot.entry_offset + at)
        .Found(std::move(found))
        .Allowed(std::move(allowed));
  };
  constexpr std::size_t kSizeAt = SnapshotEntry::kL1Size.offset;
  constexpr std::size_t kOffsetAt = SnapshotEntry::kL1TableOffset.offset;
  const std::uint64_t bytes = snapshot.l1_size * kL1EntrySize;
  if (snapshot.info.virtual_size > kMaxVirtualSize) {
    return complain("snapshot's disk is too large", "virtual_disk_size",
                    SnapshotEntry::kSize + SnapshotExtraData::kVirtualSize.offset,
                    std::to_string(snapshot.info.virtual_size), "up to 2^62 bytes");
  }
  if (bytes > kMaxL1Bytes) {
    return complain("Snapshot L1 table too large", "l1_size", kSizeAt, std::to_string(snapshot.l1_size),
                    "up to 4194304 entries");
  }
  if (snapshot.l1_size < header.l1_entries_for(snapshot.info.virtual_size)) {
    return complain("snapshot's L1 table is too small", "l1_size", kSizeAt, std::to_string(snapshot.l1_size),
                    fmt::format("at least {}", header.l1_entries_for(snapshot.info.virtual_size)));
  }
  if (!IsAligned(snapshot.l1_table_offset, header.cluster_size()) ||
      !FitsWithin(snapshot.l1_table_offset, bytes, file_size)) {
    return complain("Snapshot L1 table offset invalid", "l1_table_offset", kOffsetAt,
                    fmt::format("{:#x} for {} bytes", snapshot.l1_table_offset, bytes),
                    fmt::format("a multiple of {} inside the file's {} bytes", header.cluster_size(), file_size));
  }
  return Done{};
}

}  // namespace platter::qcow2
