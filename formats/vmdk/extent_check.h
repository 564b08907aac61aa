// The check of one sparse extent.
#pragma once

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/vmdk/extents.h"

namespace platter::vmdk {

// Adds what it finds and counts to `report`, a line for each finding to `request.log`. Requires: extent.grains.
Result<> CheckExtent(const CheckRequest& request, const ExtentFile& extent, CheckReport& report);

// The markers of a stream with a footer, one after the other from the first to the last sector. `referenced`: grains
// that the tables lead to. Requires: extent.hosted, and grains with markers.
Result<> CheckStream(const CheckRequest& request, const ExtentFile& extent, std::uint64_t referenced,
                     CheckReport& report);

}  // namespace platter::vmdk
