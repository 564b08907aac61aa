// How large an image will be, before it is made.
#pragma once

#include "formats/core/driver.h"

namespace platter::vhdx {

// The size of the file, whose holes take no space. kInvalid for options that Create would refuse; kIo and kCorrupt from
// the source.
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::vhdx
