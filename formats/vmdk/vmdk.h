// The vmdk driver: VMware's disks, of one file or of many.
#pragma once

#include "formats/core/driver.h"

namespace platter::vmdk {

extern const FormatDriver kDriver;

}  // namespace platter::vmdk
