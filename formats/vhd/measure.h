// How large an image will be, before it is made. qemu-img does not say it of this format.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::vhd {

// kInvalid for options that Create would refuse.
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::vhd
