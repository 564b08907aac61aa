// How large an image will be, before it is made.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::ploop {

// kInvalid for options that Create would refuse.
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::ploop
