#include "formats/vhdx/structure.h"

#include <fmt/format.h>

#include <utility>

#include "formats/vhdx/log.h"
#include "formats/vhdx/replayed_storage.h"

namespace platter::vhdx {
namespace {

Result<> ReplayLog(Structure& structure, Replay replay, const Limits& limits) {
  if (!structure.headers.header().has_log()) return Done{};
  LogChanges changes = PLATTER_TRY(ReadLog(*structure.storage, structure.headers.header(), limits));
  structure.replayed_entries = changes.entry_count;
  if (replay == Replay::kInPlace) return ReplayInPlace(*structure.storage, structure.headers, changes);
  structure.storage = std::make_shared<ReplayedStorage>(std::move(structure.storage), std::move(changes));
  return Done{};
}

Result<> CheckTableFits(const Structure& structure) {
  const std::uint64_t needed = structure.metadata.geometry.bat_entries() * kBatEntrySize;
  if (needed <= structure.regions.bat.length) return Done{};
  return Error(ErrorKind::kCorrupt, "region is too small for the block allocation table")
      .At("region table", "length of the block allocation table", kRegionTableOffsets[0])
      .Found(structure.regions.bat.length)
      .Allowed(fmt::format("at least {} bytes", needed));
}

}  // namespace

Result<Structure> ReadStructure(std::shared_ptr<Storage> storage, Replay replay, const Limits& limits) {
  Structure structure;
  structure.storage = std::move(storage);
  structure.headers = PLATTER_TRY(ReadHeaders(*structure.storage));
  PLATTER_CHECK(ReplayLog(structure, replay, limits));
  const Header& header = structure.headers.header();
  structure.regions = PLATTER_TRY(ReadRegionTable(*structure.storage, header.log));
  structure.metadata = PLATTER_TRY(ReadMetadata(*structure.storage, structure.regions.metadata));
  PLATTER_CHECK(CheckTableFits(structure));
  return structure;
}

}  // namespace platter::vhdx
