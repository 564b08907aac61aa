// The metadata region: what kind of disk the file holds (2.6).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/geometry.h"
#include "formats/vhdx/guid.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/parent_locator.h"

namespace platter::vhdx {

struct Metadata {
  Geometry geometry;
  Guid disk_id;                         // the virtual disk's, the same in parent and child
  std::optional<ParentLocator> parent;  // of a disk that has one
};

// kCorrupt for a table that is broken, an item that is missing, stands there twice or says what is impossible;
// kUnsupported for an unknown item that is required; kIo.
Result<Metadata> ReadMetadata(Storage& storage, const Region& region);

// The region's first bytes, table and items; the rest of it is zeros.
std::vector<std::byte> SerializeMetadata(const Metadata& metadata);

}  // namespace platter::vhdx
