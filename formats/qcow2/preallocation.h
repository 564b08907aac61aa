// Telling an image whose clusters were reserved without being written from one whose clusters hold what was written.
#pragma once

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// True when the refcounts claim clearly more clusters than the host stores for the file: what then is a hole in the
// file reads as zero. The same verdict as qemu's, so that `map` agrees. Reads refcount blocks only when the file is
// sparse enough. Damaged refcounts count as none. kIo.
Result<bool> LooksPreallocated(Storage& storage, const Header& header);

}  // namespace platter::qcow2
