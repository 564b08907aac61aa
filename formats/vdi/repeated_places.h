// The places in the file that more than one entry of the block map points at.
#pragma once

#include <cstdint>

#include "formats/core/entry_table.h"
#include "formats/core/limits.h"
#include "formats/core/number_set.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vdi/header.h"

namespace platter::vdi {

class RepeatedPlaces {
 public:
  // Reads the whole map. kIo; kLimit when that takes more than limits.metadata_bytes of memory.
  static Result<RepeatedPlaces> Find(Storage& storage, const Header& header, const Limits& limits);

  bool Contains(std::uint32_t place) const { return places_.Contains(place); }

 private:
  NumberSet places_;
};

// Calls `visit(block, entry)` for every entry of the map, in order. kIo, and what `visit` returns.
template <class Visit>
Result<> ForEachEntry(Storage& storage, const Header& header, Visit visit) {
  return ForEachTableEntry(storage, header.map_offset, header.blocks, visit);
}

}  // namespace platter::vdi
