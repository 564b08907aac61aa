// FormatDriver::check of VHD: footers at both ends, the block allocation table, sector bitmaps. qemu-img has no check
// of this format. Finds; repairs nothing.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::vhd {

// Corruptions: a footer that is missing, damaged or unlike the other, a field of it with a forbidden value,
// table entries that point outside the file, into structures or into each other, data in sectors that a dynamic disk's
// bitmap denies. Leaks: room for blocks that no entry points at. kUnsupported when a repair is asked for; kLimit when
// the table is larger than the limits allow; else as opening the image.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::vhd
