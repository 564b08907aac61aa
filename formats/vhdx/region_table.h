// The region tables: where the block allocation table and the metadata lie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/layout.h"

namespace platter::vhdx {

struct RegionTable {
  Region bat;
  Region metadata;
  std::vector<Region> others;                // not required, and unknown; in the order of the file
  std::array<bool, 2> valid = {true, true};  // the copies' signatures and checksums
  bool copies_agree = true;                  // where both are valid
};

// The first valid copy, checked. kCorrupt when neither is valid, a region is missing, stands there twice, is
// misaligned, outside the file, or overlaps another or the log; kUnsupported for an unknown region that is required;
// kIo.
Result<RegionTable> ReadRegionTable(Storage& storage, const Region& log);

// One copy, with its checksum.
std::vector<std::byte> SerializeRegionTable(const Region& bat, const Region& metadata);

}  // namespace platter::vhdx
