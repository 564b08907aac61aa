#include "formats/vmdk/grain_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace platter::vmdk {
namespace {

// Directory entries passed over in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint64_t kTablesPerCall = std::uint64_t{1} << 20;

// Past the end of any file.
constexpr std::uint64_t kNowhere = std::uint64_t{1} << 63;

constexpr std::uint64_t kSeSparseAllocatedTable = std::uint64_t{1} << 60;

bool Continues(const GrainRun& run, const GrainRun& next) noexcept {
  return run.kind == next.kind && (run.kind != GrainKind::kData || run.host + run.length == next.host);
}

Error BadEntry(std::string what, const char* structure, std::uint64_t at, std::uint64_t found) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At(structure, "entry", at).Found(fmt::format("{:#x}", found));
}

// A directory whose place is impossible is none: the header is checked to have one that is possible.
constexpr std::uint64_t PlaceOf(std::uint64_t sector) noexcept {
  return CheckedMultiply(sector, kSectorSize).value_or(0);
}

constexpr const char* kDirectory = "VMDK grain directory";
constexpr const char* kTable = "VMDK grain table";

}  // namespace

GrainTables GrainTables::Of(const SparseHeader& header) noexcept {
  GrainTables tables;
  tables.capacity = header.capacity * kSectorSize;
  tables.grain_size = header.grain_sectors * kSectorSize;
  tables.table_entries = header.table_entries;
  tables.directory_entries = header.directory_entries();
  tables.directory = PlaceOf(header.directory);
  if (header.has(kFlagRedundantDirectory)) tables.redundant = PlaceOf(header.redundant_directory);
  tables.zeroed_grains = header.has(kFlagZeroedGrains);
  tables.compressed = header.compressed();
  tables.markers = header.has(kFlagMarkers);
  return tables;
}

GrainTables GrainTables::Of(const CowdHeader& header) noexcept {
  GrainTables tables;
  tables.entries = Entries::kCowd;
  tables.capacity = header.capacity * kSectorSize;
  tables.grain_size = header.grain_sectors * kSectorSize;
  tables.table_entries = kCowdGrainTableEntries;
  tables.directory_entries = header.directory_entries;
  tables.directory = header.directory * kSectorSize;
  return tables;
}

GrainTables GrainTables::Of(const SeSparseHeader& header) noexcept {
  GrainTables tables;
  tables.entries = Entries::kSeSparse;
  tables.capacity = header.capacity * kSectorSize;
  tables.grain_size = kSeSparseGrainSectors * kSectorSize;
  tables.table_entries = kSeSparseTableEntries;
  tables.directory_entries = header.directory_entries();
  tables.directory = header.directory * kSectorSize;
  tables.tables = header.tables * kSectorSize;
  tables.grains = header.grains * kSectorSize;
  return tables;
}

GrainMap::GrainMap(std::shared_ptr<Storage> storage, const GrainTables& tables, std::uint64_t cache_bytes)
    : storage_(std::move(storage)),
      tables_(tables),
      file_size_(storage_->size()),
      cache_(storage_, 4096, cache_bytes,
             tables.entry_size() == sizeof(std::uint64_t) ? TableWord::kLittle64 : TableWord::kLittle32) {}

Result<std::uint64_t> GrainMap::TableAt(std::uint64_t index, bool redundant) {
  const std::uint64_t directory = redundant ? tables_.redundant : tables_.directory;
  const auto at = CheckedAdd(directory, index * tables_.entry_size());
  if (!at || directory == 0 || !FitsWithin(*at, tables_.entry_size(), file_size_)) {
    return Error(ErrorKind::kCorrupt, "grain directory lies outside the file")
        .At(kDirectory, fmt::format("entry {}", index), at.value_or(directory))
        .Allowed(fmt::format("inside the file's {} bytes", file_size_));
  }
  const std::uint64_t word = PLATTER_TRY(cache_.Word(*at));
  if (word == 0) return word;
  const bool wide = tables_.entries == GrainTables::Entries::kSeSparse;
  const std::uint64_t table = wide ? PLATTER_TRY(DecodeSeSparseTable(word, *at)) : word * kSectorSize;
  if (FitsWithin(table, tables_.table_bytes(), file_size_)) return table;
  return BadEntry("grain table lies outside the file", kDirectory, *at, word)
      .Allowed(fmt::format("{} bytes inside the file's {}", tables_.table_bytes(), file_size_));
}

Result<std::uint64_t> GrainMap::DecodeSeSparseTable(std::uint64_t word, std::uint64_t at) const {
  constexpr std::uint64_t kIndex = 0xFFFFFFFF;
  if ((word & ~kIndex) != kSeSparseAllocatedTable) {
    return BadEntry("no kind of directory entry", kDirectory, at, word)
        .Allowed("0, or 0x1000000000000000 with a table's number in the low 32 bits");
  }
  return tables_.tables + (word & kIndex) * tables_.table_bytes();
}

Result<GrainRun> GrainMap::Decode(std::uint64_t table, std::uint64_t entry, std::uint64_t guest, bool anywhere) {
  const std::uint64_t start = guest - guest % tables_.grain_size;
  const std::uint64_t end = std::min(start + tables_.grain_size, tables_.capacity);
  const GrainRun run{.length = end - guest};
  const std::uint64_t at = table + entry * tables_.entry_size();
  const std::uint64_t word = PLATTER_TRY(cache_.Word(at));
  auto grain =
      tables_.entries == GrainTables::Entries::kSeSparse ? DecodeSeSparse(word, run, at) : DecodeHosted(word, run);
  if (grain.ok() && grain.value().kind == GrainKind::kData) grain.value().host += guest - start;
  if (grain.ok() && !anywhere) PLATTER_CHECK(CheckInside(grain.value(), at));
  return grain;
}

Result<GrainRun> GrainMap::DecodeHosted(std::uint64_t word, GrainRun run) const {
  if (word == kNoGrain) return run;
  if (word == kZeroedGrain && tables_.zeroed_grains) {
    run.kind = GrainKind::kZero;
    return run;
  }
  return Place(run, word * kSectorSize);
}

Result<GrainRun> GrainMap::DecodeSeSparse(std::uint64_t word, GrainRun run, std::uint64_t at) const {
  constexpr std::uint64_t kHighBits = (std::uint64_t{1} << 48) - 1;
  const std::uint64_t grain = (word >> 48 & 0xFFF) | (word & kHighBits) << 12;
  switch (word >> 60) {
    case 0:
      if (word == 0) return run;
      break;
    case 1:  // given back by the guest
    case 2:
      run.kind = GrainKind::kZero;
      return run;
    case 3: {
      const auto distance = CheckedMultiply(grain, tables_.grain_size);
      const auto host = distance ? CheckedAdd(tables_.grains, *distance) : std::nullopt;
      return Place(run, std::min(host.value_or(kNowhere), kNowhere));
    }
    default:
      break;
  }
  return BadEntry("no kind of grain", kTable, at, word).Allowed("0, or 1 to 3 in the highest 4 bits");
}

GrainRun GrainMap::Place(GrainRun run, std::uint64_t host) const noexcept {
  run.kind = tables_.compressed ? GrainKind::kCompressed : GrainKind::kData;
  run.host = host;
  return run;
}

// Of a grain that has begun, what the guest has of it must be there.
Result<> GrainMap::CheckInside(const GrainRun& run, std::uint64_t at) const {
  if (run.kind != GrainKind::kData && run.kind != GrainKind::kCompressed) return Done{};
  const std::uint64_t least = tables_.compressed ? GrainMarkerLayout::kSize : run.length;
  if (FitsWithin(run.host, least, file_size_)) return Done{};
  return BadEntry("grain lies outside the file", kTable, at, run.host)
      .Allowed(fmt::format("{} bytes inside the file's {}", least, file_size_));
}

Result<GrainRun> GrainMap::GrainBy(std::uint64_t guest, bool redundant) {
  const std::uint64_t index = guest / tables_.table_span();
  const std::uint64_t table = PLATTER_TRY(TableAt(index, redundant));
  if (table == 0) {
    const std::uint64_t end = std::min((index + 1) * tables_.table_span(), tables_.capacity);
    return GrainRun{.length = end - guest};
  }
  return Decode(table, guest % tables_.table_span() / tables_.grain_size, guest);
}

Result<GrainRun> GrainMap::GrainAt(std::uint64_t guest) {
  auto grain = GrainBy(guest, false);
  if (grain.ok() || tables_.redundant == 0 || grain.error().kind() != ErrorKind::kCorrupt) return grain;
  auto other = GrainBy(guest, true);
  return other.ok() ? std::move(other) : std::move(grain);
}

Result<std::uint64_t> GrainMap::EmptyEntries(std::uint64_t table, std::uint64_t entry, std::uint64_t most) {
  return cache_.CountZeros(table + entry * tables_.entry_size(), most);
}

Result<std::uint64_t> GrainMap::NextTable(std::uint64_t index, std::uint64_t last, bool redundant) {
  const std::uint64_t directory = redundant ? tables_.redundant : tables_.directory;
  const std::uint64_t room = file_size_ - std::min(file_size_, directory);
  const std::uint64_t inside = std::min(room / tables_.entry_size(), std::min(last, index + kTablesPerCall) + 1);
  const std::uint64_t next = index + 1;
  if (directory == 0 || inside <= next) return next;
  return next + PLATTER_TRY(EmptyEntries(directory, next, inside - next));
}

std::uint64_t GrainMap::EmptyFrom(std::uint64_t guest, std::uint64_t end) {
  const auto table = TableAt(guest / tables_.table_span(), false);
  if (!table.ok() || table.value() == 0) return 0;
  const std::uint64_t entry = guest % tables_.table_span() / tables_.grain_size;
  const auto count = EmptyEntries(table.value(), entry, DivideRoundingUp(end - guest, tables_.grain_size));
  return count.ok() ? std::min(count.value() * tables_.grain_size, end - guest) : 0;
}

Result<GrainRun> GrainMap::At(ByteRange range) {
  GrainRun run = PLATTER_TRY(GrainAt(range.offset()));
  const std::uint64_t span = tables_.table_span();
  const std::uint64_t index = range.offset() / span;
  if (run.kind == GrainKind::kUnallocated && run.length > tables_.grain_size) {
    const auto next = NextTable(index, (range.end() - 1) / span, false);
    if (next.ok()) run.length = next.value() * span - range.offset();
    run.length = std::min(run.length, range.length());
    return run;
  }
  const std::uint64_t end = std::min((index + 1) * span, range.end());
  if (run.kind == GrainKind::kUnallocated && range.offset() + run.length < end) {
    run.length += EmptyFrom(range.offset() + run.length, end);
  }
  while (range.offset() + run.length < end) {
    const auto next = GrainAt(range.offset() + run.length);
    if (!next.ok() || !Continues(run, next.value())) break;  // an error waits until it is asked for
    run.length += next.value().length;
  }
  run.length = std::min(run.length, end - range.offset());
  return run;
}

}  // namespace platter::vmdk
