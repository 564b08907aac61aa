// What a guest disk holds, by its first bytes: a partition table, a file system (an ami), a kernel (an aki), an initial
// ramdisk (an ari). Formats say how bytes are stored; this says what they are.
#pragma once

#include <string_view>

#include "formats/core/chain.h"
#include "formats/core/detail.h"
#include "formats/core/result.h"

namespace platter {

// An object with
//   "type"    "ami", "aki", "ari", or "disk" for a partition table
//   "reason"  by what it was recognised
//   "file-system", "kernel", "ramdisk" or "partition-table": what it says about itself
//   "findings"  damage, a line each; absent when there is none
// and empty when nothing was recognised. Reads a bounded part of the disk. kIo, and the errors of Chain::ReadAt.
Result<Detail> RecogniseContent(const Chain& chain);
// Its "type"; "" when nothing was recognised. Reads what that takes and no more, so that most of a disk may still be
// missing. Static text. The same errors.
Result<std::string_view> TypeOfContent(const Chain& chain);

}  // namespace platter
