// Files that zisofs compressed: a header, a table of offsets, and blocks that are zlib streams of their own.
#pragma once

#include <memory>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/rock_ridge.h"

namespace platter::iso {

// The content of the compressed file as its reader should see it. kUnsupported for other algorithms than zlib; kCorrupt
// where header and directory do not agree. Reading answers kCorrupt for a block that is damaged.
Result<std::shared_ptr<Storage>> OpenZisofs(std::shared_ptr<Storage> compressed, const Zisofs& zisofs);

}  // namespace platter::iso
