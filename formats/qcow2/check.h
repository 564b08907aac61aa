// FormatDriver::check of qcow2: counts every reference in an image, compares with the refcounts that it stores, and
// repairs what differs.
//
// Findings, counts and lines are those of qemu-img check. Repairs are ordered so that an interruption at any write
// leaves an image that is no worse than before, and that a further check can repair.
#pragma once

#include "formats/core/driver.h"

namespace platter::qcow2 {

// After a repair that changed something the image is checked once more; the report then carries that pass's findings
// with the number of those fixed before. Errors: as ParseHeader with Tolerance::kCheck; kCorrupt when the check cannot
// go on, or when Repair::kLeaks meets a refcount structure that only Repair::kAll can rebuild; kLimit; kIo.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::qcow2
