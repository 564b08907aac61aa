#include "formats/vhdx/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {
namespace {

// As much of the table as may be held. It often stands in front of the metadata, which say how long it is: what is to
// be seen of a stream has to be asked for before that.
Result<std::vector<std::byte>> ReadTable(Storage& storage, const Region& region, const Limits& limits) {
  std::vector<std::byte> table(std::min(region.length, limits.metadata_bytes));
  PLATTER_CHECK(storage.ReadPadded(region.offset, table));
  return table;
}

// Where the last block ends that the table names.
std::uint64_t EndOfBlocks(const Geometry& geometry, std::span<const std::byte> table) {
  table = table.first(std::min<std::uint64_t>(table.size(), geometry.bat_entries() * kBatEntrySize));
  const std::uint64_t slots = geometry.chunk_ratio() + 1;
  std::uint64_t end = 0;
  for (std::size_t at = 0; at < table.size(); at += kBatEntrySize) {
    const BatEntry entry{LoadLe<std::uint64_t>(table.data() + at)};
    const std::uint64_t index = at / kBatEntrySize;
    const bool bitmap = index % slots == geometry.chunk_ratio();
    const std::uint64_t block = index / slots * geometry.chunk_ratio() + index % slots;
    if (!entry.stored() || (bitmap ? !geometry.has_parent : block >= geometry.block_count())) continue;
    const std::uint64_t stored = bitmap ? kBitmapBlockSize : geometry.block_size;
    end = std::max(end, CheckedAdd(entry.offset(), stored).value_or(~std::uint64_t{0}));
  }
  return end;
}

std::string_view VariantOf(const Geometry& geometry) noexcept {
  if (geometry.has_parent) return "differencing";
  return geometry.fixed ? "fixed" : "dynamic";
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  const HeaderPair headers = PLATTER_TRY(ReadHeaders(*storage));
  if (headers.header().has_log()) {
    inspection.findings.push_back(
        {.code = "vhdx.log",
         .severity = SeverityOf(Concern::kAmbiguous),
         .concern = Concern::kAmbiguous,
         .offset = headers.header().log.offset,
         .value = headers.header().log_guid.Text(),
         .message = "a log has to be replayed: programs that do not replay it read another disk"});
  }
  const RegionTable regions = PLATTER_TRY(ReadRegionTable(*storage, headers.header().log));
  auto table = ReadTable(*storage, regions.bat, limits);
  const Structure structure = PLATTER_TRY(ReadStructure(storage, Replay::kInMemory, limits));
  inspection.variant = VariantOf(structure.metadata.geometry);
  if (!structure.regions.copies_agree) {
    inspection.findings.push_back({.code = "vhdx.region_table_mismatch",
                                   .severity = SeverityOf(Concern::kAmbiguous),
                                   .concern = Concern::kAmbiguous,
                                   .offset = kRegionTableOffsets[1],
                                   .message = "the two region tables do not agree"});
  }
  if (!table.ok()) return std::move(table).error();
  inspection.expected_length = std::max({structure.regions.bat.end(), structure.regions.metadata.end(),
                                         EndOfBlocks(structure.metadata.geometry, table.value())});
  return Done{};
}

}  // namespace platter::vhdx
