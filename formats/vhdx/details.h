// What `info` says about a VHDX image beyond what every image has.
#pragma once

#include "formats/core/detail.h"
#include "formats/core/result.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {

// What qemu does not print. kIo.
Result<Detail> DescribeFurther(const Structure& structure);

}  // namespace platter::vhdx
