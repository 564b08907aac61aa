// Is an image sound: every table and grain inside its file, none used twice, both copies of the tables the same, the
// markers of a stream in order.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::vmdk {

// FormatDriver::check. In qemu's dialect only what qemu looks at, and an error at the first finding, as qemu has it.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::vmdk
