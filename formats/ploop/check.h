// FormatDriver::check of ploop: every entry of the allocation table.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::ploop {

// Findings, counts and lines are qemu-img's; and, not in qemu's dialect, entries that are misplaced or used twice
// (which stay), and no leak where dirty bitmaps lie. Repair::kAll drops entries that point behind the file. Errors: as
// ReadHeader; kIo; kLimit. `above_another`: what the image lacks shows the image below it, so that entries stay, too.
Result<CheckReport> CheckFile(const CheckRequest& request, bool above_another = false);

}  // namespace platter::ploop
