// FormatDriver::check of VHDX: every entry of the block allocation table, both headers and both region tables; the log
// is replayed when repairs are wanted.
#pragma once

#include "formats/core/driver.h"

namespace platter::vhdx {

// Repair::kLeaks replays the log, as qemu-img does; Repair::kAll also writes a damaged copy of a header or of the
// region table anew. Entries that are wrong are counted and stay. In qemu's dialect only what qemu looks at is looked
// at. Errors: as ReadStructure; kLimit for a file so large that its blocks cannot be told apart within the limits.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::vhdx
