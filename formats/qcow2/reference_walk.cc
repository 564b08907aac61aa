#include "formats/qcow2/reference_walk.h"

#include <algorithm>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

// Entries of L1 and bitmap tables in one image, all together: far more than any real image has, few enough to walk.
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 28;

// Of an entry of a table that is not aligned, in entries that are.
constexpr std::uint64_t kMisalignedCost = 8;

constexpr std::uint64_t kBitmapEntrySize = 8;
constexpr std::uint64_t kBitmapEntryReserved = 0xFF000000000001FE;

}  // namespace

Result<> ReferenceWalk::CountAll() {
  const Header& header = state_.header;
  PLATTER_CHECK(CountAllButRefcounts());
  PLATTER_CHECK(
      Count(header.refcount_table_offset, std::uint64_t{header.refcount_table_clusters} << header.cluster_bits));
  return CountRefcountBlocks();
}

Result<> ReferenceWalk::CountAllButRefcounts() {
  const Header& header = state_.header;
  PLATTER_CHECK(counts_.Cover(DivideRoundingUp(state_.storage.size(), header.cluster_size())));
  PLATTER_CHECK(Count(0, header.cluster_size()));
  PLATTER_CHECK(CountL1(header.l1_table_offset, header.l1_size, true));
  PLATTER_CHECK(CountSnapshots());
  PLATTER_CHECK(CountSharedTables());
  PLATTER_CHECK(Count(header.snapshots_offset, state_.snapshot_table_size));
  if (header.luks_header) PLATTER_CHECK(Count(header.luks_header->first, header.luks_header->second));
  return CountBitmaps();
}

Result<> ReferenceWalk::Count(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return Done{};
  const std::uint64_t cluster = state_.header.cluster_size();
  const auto end = CheckedAdd(offset, length);
  // The last cluster of a file may be stored in part.
  if (!end || (*end > state_.file_size() && *end - state_.file_size() >= cluster)) {
    state_.Corruption(
        "ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset {:#x} size "
        "{:#x}",
        offset, length);
    if (end) state_.dangling.Add(state_.cluster_of(offset), state_.cluster_of(*end - 1));
    return Done{};
  }
  const std::uint64_t last = state_.cluster_of(*end - 1);
  for (std::uint64_t at = state_.cluster_of(offset);; ++at) {
    at += counts_.AddRun(at, last + 1 - at, state_.weight);
    if (at > last) return Done{};
    const std::uint64_t overflow = PLATTER_TRY(counts_.Add(at, state_.weight));
    if (overflow == 0) continue;
    state_.report.corruptions += overflow;
    state_.Log("ERROR: overflow cluster offset={:#x}", at << state_.header.cluster_bits);
    state_.Log(
        "Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy if the "
        "image cannot be opened for writing");
  }
}

// No reader takes a table that the end of the file cuts. What lies behind it altogether is told by Count.
void ReferenceWalk::CheckWhole(const char* what, std::uint64_t offset, std::uint64_t length) {
  const auto end = CheckedAdd(offset, length);
  if (!state_.thorough() || !end || *end <= state_.storage.size()) return;
  if (*end >= state_.file_size() + state_.header.cluster_size()) return;
  state_.Corruption("ERROR {} offset={:#x}: the end of the file cuts it", what, offset);
}

Result<> ReferenceWalk::SpendEntries(std::uint64_t entries) {
  entries_spent_ += entries;
  if (entries_spent_ <= kMostEntries) return Done{};
  return Error(ErrorKind::kLimit, "tables have too many entries").Allowed(fmt::format("{}", kMostEntries));
}

Result<> ReferenceWalk::CountL1(std::uint64_t offset, std::uint64_t entries, bool active) {
  PLATTER_CHECK(SpendEntries(entries));
  const std::uint64_t per_read = state_.header.cluster_size() / kL1EntrySize;
  PLATTER_CHECK(Count(offset, entries * kL1EntrySize));
  CheckWhole("L1 table", offset, entries * kL1EntrySize);
  std::vector<std::byte> part;
  for (std::uint64_t first = 0; first < entries; first += per_read) {
    const std::uint64_t count = std::min(per_read, entries - first);
    const auto bytes = PLATTER_TRY(state_.tables.Read(offset + first * kL1EntrySize, count * kL1EntrySize));
    part.assign(bytes.begin(), bytes.end());
    for (std::uint64_t i = 0; i < count; ++i) {
      PLATTER_CHECK(CountL1Entry(LoadBe<std::uint64_t>(part.data() + i * kL1EntrySize), active));
    }
  }
  return Done{};
}

Result<> ReferenceWalk::CountL1Entry(std::uint64_t entry, bool active) {
  if (entry == 0) return Done{};
  if ((entry & kL1Reserved) != 0) {
    state_.Corruption("ERROR found L1 entry with reserved bits set: {:x}", entry);
  }
  const std::uint64_t l2_offset = entry & kOffsetMask;
  PLATTER_CHECK(Count(l2_offset, state_.header.cluster_size()));
  if (!IsAligned(l2_offset, state_.header.cluster_size())) {
    state_.Corruption("ERROR l2_offset={:x}: Table is not cluster aligned; L1 entry corrupted", l2_offset);
    // Tables that begin at every sector of each other would be walked thousands of times.
    PLATTER_CHECK(SpendEntries(state_.header.l2_entries() * kMisalignedCost));
  }
  CheckWhole("L2 table", l2_offset, state_.header.cluster_size());
  if (seen_.FirstTime(l2_offset)) return CountL2(l2_offset, active);
  Sharing& sharing = shared_[l2_offset];
  ++(active ? sharing.by_active_image : sharing.by_snapshots);
  return Done{};
}

Result<> ReferenceWalk::CountSharedTables() {
  for (const auto& [offset, sharing] : shared_) {
    if (state_.weight = sharing.by_active_image; state_.weight != 0) PLATTER_CHECK(CountL2(offset, true));
    if (state_.weight = sharing.by_snapshots; state_.weight != 0) PLATTER_CHECK(CountL2(offset, false));
  }
  state_.weight = 1;
  return Done{};
}

Result<> ReferenceWalk::CountL2(std::uint64_t offset, bool figures) {
  const Header& header = state_.header;
  if (PLATTER_TRY(state_.tables.KnownZero(offset, header.cluster_size()))) return Done{};
  table_.bytes.resize(header.cluster_size());
  PLATTER_CHECK(state_.tables.ReadOnce(offset, table_.bytes));
  table_.offset = offset;
  table_.figures = figures;
  table_.next_contiguous = 0;
  table_.reserved_bits.reset();
  const L2Runs runs(header, table_.bytes);
  for (std::uint64_t index = runs.SkipUnused(0); index < header.l2_entries(); index = runs.SkipUnused(index)) {
    const std::uint64_t run = PLATTER_TRY(CountRun(runs, index));
    if (run == 0) PLATTER_CHECK(CountL2Entry(index));
    index += std::max<std::uint64_t>(run, 1);
  }
  return Done{};
}

Result<std::uint64_t> ReferenceWalk::CountRun(const L2Runs& runs, std::uint64_t index) {
  const Header& header = state_.header;
  if (header.has_data_file()) return std::uint64_t{0};
  const L2Entry entry = L2Entry::Decode(header, table_.bytes, index);
  const std::uint64_t offset = entry.host_offset();
  if ((entry.descriptor & (state_.l2_reserved() | kCompressed)) != 0 || offset == 0 || offset > state_.file_size() ||
      !IsAligned(offset, header.cluster_size())) {
    return std::uint64_t{0};
  }
  const std::uint64_t run = runs.Contiguous(index, (state_.file_size() - offset) / header.cluster_size());
  if (run == 0) return std::uint64_t{0};
  if (table_.figures) {
    state_.report.allocated_clusters += run * state_.weight;
    if (table_.next_contiguous != 0 && offset != table_.next_contiguous) {
      state_.report.fragmented_clusters += state_.weight;
    }
    table_.next_contiguous = offset + run * header.cluster_size();
  }
  PLATTER_CHECK(Count(offset, run * header.cluster_size()));
  return run;
}

Result<> ReferenceWalk::CountL2Entry(std::uint64_t index) {
  const L2Entry entry = L2Entry::Decode(state_.header, table_.bytes, index);
  if (entry.descriptor == 0 && entry.bitmap == 0) return Done{};
  const auto kind = entry.kind(state_.header);
  if (kind != L2Entry::Kind::kPacked && (entry.descriptor & state_.l2_reserved()) != 0) {
    state_.Corruption("ERROR found l2 entry with reserved bits set: {:x}", entry.descriptor);
  }
  switch (kind) {
    case L2Entry::Kind::kPacked:
      return CountCompressed(index, entry);
    case L2Entry::Kind::kAllocated:
      return CountAllocated(index, entry);
    case L2Entry::Kind::kPlainZero:
    case L2Entry::Kind::kUnallocated:
      if (entry.allocated_subclusters() != 0) {
        state_.Corruption("ERROR: Unallocated cluster has non-zero subcluster allocation map");
      }
      return Done{};
  }
  return Done{};
}

Result<> ReferenceWalk::CountCompressed(std::uint64_t index, L2Entry entry) {
  const CompressedSpot spot = DecodeCompressed(state_.header, entry.descriptor);
  if (entry.copied()) {
    state_.Corruption("ERROR: coffset={:#x}: copied flag must never be set for compressed clusters", spot.offset);
    entry.descriptor &= ~kCopied;
  }
  if (state_.header.has_data_file()) {
    state_.Corruption("ERROR compressed cluster {} with data file, entry={:#x}", index, entry.descriptor);
    return Done{};
  }
  if (entry.bitmap != 0) {
    state_.Corruption("ERROR compressed cluster {} with non-zero subcluster allocation bitmap, entry={:#x}", index,
                      entry.descriptor);
    return Done{};
  }
  PLATTER_CHECK(Count(spot.offset, spot.length));
  // A stream ends within its last sector.
  CheckWhole("compressed cluster", spot.offset, spot.length - std::min(spot.length, kCompressedSector - 1));
  if (!table_.figures) return Done{};
  state_.report.allocated_clusters += state_.weight;
  state_.report.compressed_clusters += state_.weight;
  state_.report.fragmented_clusters += state_.weight;
  return Done{};
}

Result<> ReferenceWalk::CountAllocated(std::uint64_t index, L2Entry entry) {
  const std::uint64_t offset = entry.host_offset();
  if ((entry.allocated_subclusters() & entry.zero_subclusters()) != 0) {
    state_.Corruption("ERROR offset={:x}: Allocated cluster has corrupted subcluster allocation bitmap", offset);
  }
  if (!IsAligned(offset, state_.header.cluster_size())) {
    if (PLATTER_TRY(CheckAlignment(index, entry))) return Done{};
  }
  if (table_.figures) {
    state_.report.allocated_clusters += state_.weight;
    if (table_.next_contiguous != 0 && offset != table_.next_contiguous) {
      state_.report.fragmented_clusters += state_.weight;
    }
    table_.next_contiguous = offset + state_.header.cluster_size();
  }
  if (state_.header.has_data_file()) return Done{};
  return Count(offset, state_.header.cluster_size());
}

Result<bool> ReferenceWalk::CheckAlignment(std::uint64_t index, L2Entry entry) {
  const std::uint64_t offset = entry.host_offset();
  if (entry.has_data(state_.header)) {
    state_.Corruption("ERROR offset={:x}: Data cluster is not properly aligned; L2 entry corrupted.", offset);
    return false;
  }
  if (!table_.reserved_bits) table_.reserved_bits = L2Runs(state_.header, table_.bytes).HasAnyOf(state_.l2_reserved());
  const bool repairs = state_.repairs_all() && !*table_.reserved_bits;
  state_.Corruption("{} offset={:x}: Preallocated cluster is not properly aligned; L2 entry corrupted.",
                    repairs ? "Repairing" : "ERROR", offset);
  if (!repairs) return false;
  const std::uint64_t size = state_.header.l2_entry_size();
  const std::uint64_t at = table_.offset + index * size;
  if (!metadata_) metadata_.emplace(state_);
  PLATTER_CHECK(metadata_->CheckWrite("L2 table", table_.offset, state_.header.cluster_size()));
  const L2Entry zero =
      state_.header.extended_l2() ? L2Entry{0, std::uint64_t{0xFFFFFFFF} << kSubclusters} : L2Entry{kAllZero, 0};
  zero.Encode(state_.header, table_.bytes, index);
  PLATTER_CHECK(state_.tables.Write(at, std::span(table_.bytes).subspan(index * size, size)));
  state_.report.corruptions -= state_.weight;
  state_.report.corruptions_fixed += state_.weight;
  return true;
}

Result<> ReferenceWalk::CountSnapshots() {
  if (state_.header.has_data_file() && !state_.snapshots.empty()) {
    state_.Corruption("ERROR {} snapshots in image with data file", state_.snapshots.size());
  }
  for (const CheckedSnapshot& snapshot : state_.snapshots) {
    if (!IsAligned(snapshot.l1_table_offset, state_.header.cluster_size())) {
      state_.Corruption(
          "ERROR snapshot {} ({}) l1_offset={:#x}: L1 table is not cluster aligned; snapshot table entry corrupted",
          snapshot.id, snapshot.name, snapshot.l1_table_offset);
      continue;
    }
    if (snapshot.l1_size > kMaxL1Bytes / kL1EntrySize) {
      state_.Corruption("ERROR snapshot {} ({}) l1_size={:#x}: L1 table is too large; snapshot table entry corrupted",
                        snapshot.id, snapshot.name, snapshot.l1_size);
      continue;
    }
    PLATTER_CHECK(CountL1(snapshot.l1_table_offset, snapshot.l1_size, false));
  }
  return Done{};
}

Result<> ReferenceWalk::CountRefcountBlocks() {
  const std::size_t entries = state_.stored.table().size();
  for (std::size_t index = 0; index < entries; ++index) PLATTER_CHECK(CountRefcountBlock(index));
  return Done{};
}

Result<> ReferenceWalk::CountRefcountBlock(std::uint64_t index) {
  const std::uint64_t entry = state_.stored.table()[index];
  const std::uint64_t offset = entry & ~kRefcountTableReserved;
  if ((entry & kRefcountTableReserved) != 0) {
    state_.Corruption("ERROR refcount table entry {} has reserved bits set", index);
    state_.rebuild = true;
    return Done{};
  }
  if (!IsAligned(offset, state_.header.cluster_size())) {
    state_.Corruption("ERROR refcount block {} is not cluster aligned; refcount table entry corrupted", index);
    state_.rebuild = true;
    return Done{};
  }
  if (state_.cluster_of(offset) >= counts_.size()) {
    state_.Corruption("{} refcount block {} is outside image", state_.repairs_all() ? "Repairing" : "ERROR", index);
    // A new structure leaves the entry out; qemu grows the file to wherever the entry points.
    if (state_.repairs_all()) state_.rebuild = true;
    return Done{};
  }
  if (offset == 0) return Done{};
  const std::uint64_t before = state_.report.corruptions;
  PLATTER_CHECK(Count(offset, state_.header.cluster_size()));
  // A count of one bit cannot say that there are two.
  const bool overflowed = state_.report.corruptions != before;
  if (const std::uint64_t count = counts_.Get(state_.cluster_of(offset)); count != 1 || overflowed) {
    state_.Corruption("ERROR refcount block {} refcount={}", index, count);
    state_.rebuild = true;
  }
  return Done{};
}

Result<> ReferenceWalk::CountBitmaps() {
  if (!state_.header.bitmaps) return Done{};
  PLATTER_CHECK(Count(state_.header.bitmaps->directory_offset, state_.header.bitmaps->directory_size));
  for (const CheckedBitmap& bitmap : PLATTER_TRY(ReadBitmapDirectory(state_))) {
    PLATTER_CHECK(CountBitmapTable(bitmap));
  }
  return Done{};
}

Result<> ReferenceWalk::CountBitmapTable(const CheckedBitmap& bitmap) {
  PLATTER_CHECK(SpendEntries(bitmap.table_entries));
  PLATTER_CHECK(Count(bitmap.table_offset, bitmap.table_entries * kBitmapEntrySize));
  const std::uint64_t per_read = state_.header.cluster_size() / kBitmapEntrySize;
  for (std::uint64_t first = 0; first < bitmap.table_entries; first += per_read) {
    const std::uint64_t at = bitmap.table_offset + first * kBitmapEntrySize;
    const std::uint64_t length = std::min(per_read, bitmap.table_entries - first) * kBitmapEntrySize;
    if (PLATTER_TRY(state_.tables.KnownZero(at, length))) continue;
    const auto bytes = PLATTER_TRY(state_.tables.Read(at, length));
    for (std::uint64_t i = 0; i < length; i += kBitmapEntrySize) {
      PLATTER_CHECK(CountBitmapEntry(bitmap, at + i, LoadBe<std::uint64_t>(bytes.data() + i)));
    }
  }
  return Done{};
}

Result<> ReferenceWalk::CountBitmapEntry(const CheckedBitmap& bitmap, std::uint64_t at, std::uint64_t entry) {
  const std::uint64_t host = entry & kBitmapTableOffsetMask;
  const bool all_ones = (entry & kBitmapTableAllOnes) != 0;
  const bool valid =
      (entry & kBitmapEntryReserved) == 0 && IsAligned(host, state_.header.cluster_size()) && (host == 0 || !all_ones);
  if (valid) return host == 0 ? Done{} : Count(host, state_.header.cluster_size());
  return Error(ErrorKind::kCorrupt, fmt::format("table of bitmap '{}' has an impossible entry", bitmap.name))
      .At("bitmap table", "entry", at)
      .Found(fmt::format("{:#x}", entry))
      .Allowed("0, 1, or a cluster's offset");
}

}  // namespace platter::qcow2
