// What `info` says about a VDI image beyond what every image has.
#pragma once

#include "formats/core/detail.h"
#include "formats/vdi/header.h"

namespace platter::vdi {

// What qemu does not print: version, type, UUIDs, comment, geometry.
Detail DescribeFurther(const Header& header);

}  // namespace platter::vdi
