#include "formats/vhdx/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {
namespace {

// Where the last block ends that the table names, as far as the table may be held.
Result<std::uint64_t> EndOfBlocks(const Structure& structure, const Limits& limits) {
  const Geometry& geometry = structure.metadata.geometry;
  const Region& region = structure.regions.bat;
  std::vector<std::byte> table(std::min(geometry.bat_entries() * kBatEntrySize, limits.metadata_bytes));
  PLATTER_CHECK(structure.storage->ReadPadded(region.offset, table));
  std::uint64_t end = 0;
  for (std::size_t at = 0; at < table.size(); at += kBatEntrySize) {
    const BatEntry entry{LoadLe<std::uint64_t>(table.data() + at)};
    if (entry.stored()) end = std::max(end, entry.offset() + geometry.block_size);
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
  const Structure structure = PLATTER_TRY(ReadStructure(storage, Replay::kInMemory, limits));
  inspection.variant = VariantOf(structure.metadata.geometry);
  if (!structure.regions.copies_agree) {
    inspection.findings.push_back({.code = "vhdx.region_table_mismatch",
                                   .severity = SeverityOf(Concern::kAmbiguous),
                                   .concern = Concern::kAmbiguous,
                                   .offset = kRegionTableOffsets[1],
                                   .message = "the two region tables do not agree"});
  }
  inspection.expected_length = std::max(
      {structure.regions.bat.end(), structure.regions.metadata.end(), PLATTER_TRY(EndOfBlocks(structure, limits))});
  return Done{};
}

}  // namespace platter::vhdx
