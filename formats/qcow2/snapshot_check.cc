#include "formats/qcow2/snapshot_check.h"

#include <algorithm>

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kEntryAlignment = 8;
// What a version 3 entry must have: the first two fields of SnapshotExtraData.
constexpr std::uint32_t kLeastExtraBytes = 16;

// One entry as it stands in the table.
struct RawEntry {
  std::vector<std::byte> fixed;
  std::vector<std::byte> extra;
  std::vector<std::byte> names;  // id, then name
  std::uint64_t size = 0;        // bytes in the table, with extra data of any length and the padding

  RecordView<SnapshotEntry> view() const noexcept {
    return RecordView<SnapshotEntry>(std::span(fixed).first<SnapshotEntry::kSize>());
  }
  std::uint32_t extra_size() const noexcept { return view().Get<SnapshotEntry::kExtraDataSize>(); }
};

Result<RawEntry> ReadEntry(CheckState& state, std::uint64_t offset) {
  const auto read = [&](std::uint64_t at, std::uint64_t length) -> Result<std::vector<std::byte>> {
    const auto bytes = PLATTER_TRY(state.tables.Read(at, length));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  RawEntry entry;
  entry.fixed = PLATTER_TRY(read(offset, SnapshotEntry::kSize));
  const std::uint64_t extra_size = entry.extra_size();
  const std::uint64_t names_size =
      std::uint64_t{entry.view().Get<SnapshotEntry::kIdSize>()} + entry.view().Get<SnapshotEntry::kNameSize>();
  entry.extra =
      PLATTER_TRY(read(offset + SnapshotEntry::kSize, std::min<std::uint64_t>(extra_size, kMaxSnapshotExtraBytes)));
  entry.names = PLATTER_TRY(read(offset + SnapshotEntry::kSize + extra_size, names_size));
  entry.size = AlignUp<std::uint64_t>(SnapshotEntry::kSize + extra_size + names_size, kEntryAlignment);
  return entry;
}

CheckedSnapshot Describe(const RawEntry& entry) {
  const char* text = reinterpret_cast<const char*>(entry.names.data());
  const std::size_t id_size = entry.view().Get<SnapshotEntry::kIdSize>();
  return {std::string(text, id_size), std::string(text + id_size, entry.names.size() - id_size),
          entry.view().Get<SnapshotEntry::kL1TableOffset>(), entry.view().Get<SnapshotEntry::kL1Size>()};
}

// The extra data that the entry should have had.
std::vector<std::byte> CompleteExtra(const CheckState& state, const RawEntry& entry) {
  std::vector<std::byte> extra = entry.extra;
  const std::size_t had = extra.size();
  extra.resize(std::max<std::size_t>(had, kLeastExtraBytes));
  const std::uint64_t vm_state = entry.view().Get<SnapshotEntry::kVmStateSize>();
  if (had < 8) SnapshotExtraData::kVmStateSize.Encode(extra.data(), vm_state);
  if (had < 16) SnapshotExtraData::kVirtualSize.Encode(extra.data(), state.header.virtual_size);
  return extra;
}

}  // namespace

Result<std::uint64_t> ReadSnapshotTable(CheckState& state) {
  std::uint64_t corruptions = 0;
  std::uint64_t at = 0;
  for (std::uint32_t i = 0; i < state.header.snapshot_count; ++i) {
    const RawEntry entry = PLATTER_TRY(ReadEntry(state, state.header.snapshots_offset + at));
    if (entry.extra_size() > kMaxSnapshotExtraBytes) {
      if (!state.repairs_all()) {
        return Error(ErrorKind::kCorrupt, fmt::format("Too much extra metadata in snapshot table entry {}", i))
            .At("snapshot table", "extra_data_size", state.header.snapshots_offset + at)
            .Found(entry.extra_size())
            .Allowed("up to 1024")
            .Try("platter check -r all removes it");
      }
      state.Log("Discarding too much extra metadata in snapshot table entry {} ({} > {})", i, entry.extra_size(),
                kMaxSnapshotExtraBytes);
      ++corruptions;
    }
    if (state.header.version >= 3 && entry.extra_size() < kLeastExtraBytes) {
      state.Log("{} snapshot table entry {} is incomplete", state.repairs_all() ? "Repairing" : "ERROR", i);
      ++corruptions;
    }
    at += entry.size;
    if (at > kMaxSnapshotTableBytes) {
      return Error(ErrorKind::kCorrupt, "Snapshot table is too big")
          .At("snapshot table", fmt::format("entry {}", i), state.header.snapshots_offset)
          .Found(at)
          .Allowed("up to 67108864 bytes");
    }
    state.snapshots.push_back(Describe(entry));
  }
  state.snapshot_table_size = at;
  return corruptions;
}

Result<std::vector<std::byte>> MendSnapshotTable(CheckState& state) {
  std::uint64_t from = state.header.snapshots_offset;
  std::vector<std::byte> table;
  for (std::uint32_t i = 0; i < state.header.snapshot_count; ++i) {
    RawEntry entry = PLATTER_TRY(ReadEntry(state, from));
    const std::vector<std::byte> extra = CompleteExtra(state, entry);
    SnapshotEntry::kExtraDataSize.Encode(entry.fixed.data(), static_cast<std::uint32_t>(extra.size()));
    for (const auto& part : {entry.fixed, extra, entry.names}) table.insert(table.end(), part.begin(), part.end());
    table.resize(AlignUp<std::size_t>(table.size(), kEntryAlignment));
    from += entry.size;
  }
  return table;
}

}  // namespace platter::qcow2
