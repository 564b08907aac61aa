// Preallocated images map clusters that nobody has written yet: the host file has holes there, which need no reading.
#pragma once

#include "formats/core/chain.h"
#include "formats/core/extent.h"
#include "formats/core/result.h"

namespace platter::copy {

// Cuts an extent of `chain` that may lie in holes of the host (Extent::maybe_hole) to its first stretch of one kind,
// and calls it kZero when that is a hole. Other extents stay as they are.
Result<> LookThroughHoles(const Chain& chain, Extent& extent);

}  // namespace platter::copy
