// What `info` says about a ploop image beyond what every image has.
#pragma once

#include "formats/core/detail.h"
#include "formats/ploop/extension.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

// What qemu does not print: version, cluster size, in-use flag, dirty bitmaps.
Detail DescribeFurther(const Header& header, const Extension& extension);

}  // namespace platter::ploop
