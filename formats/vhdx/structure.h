// Everything in front of the first block: headers, log, region table and metadata, read in the order in which each can
// be trusted.
#pragma once

#include <cstddef>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/metadata.h"
#include "formats/vhdx/region_table.h"

namespace platter::vhdx {

struct Structure {
  std::shared_ptr<Storage> storage;  // the file as it is after its log
  HeaderPair headers;
  RegionTable regions;
  Metadata metadata;
  std::size_t replayed_entries = 0;  // of the log, in place or in memory

  // The log is still in the file: what is in `storage` was replayed in memory.
  bool dirty() const noexcept { return headers.header().has_log(); }
};

enum class Replay : std::uint8_t {
  kInMemory,  // the file stays as it is
  kInPlace,   // what the log says is done to the file, which must be writable
};

// The errors of ReadHeaders, ReadLog, ReadRegionTable and ReadMetadata; kCorrupt for a block allocation table that is
// larger than its region.
Result<Structure> ReadStructure(std::shared_ptr<Storage> storage, Replay replay, const Limits& limits);

}  // namespace platter::vhdx
