// FormatDriver::check of vdi: every entry of the block map.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::vdi {

// Findings, counts and lines are qemu-img's; and, not in qemu's dialect, blocks that lie outside the file. kUnsupported
// when asked to repair. Errors: as ParseHeader; kIo; kLimit.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::vdi
