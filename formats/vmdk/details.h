// What info prints about a VMDK beyond what every format has.
#pragma once

#include <span>

#include "formats/core/detail.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/extents.h"

namespace platter::vmdk {

// As qemu-img says it.
Detail Describe(const Descriptor& descriptor, std::span<const ExtentFile> extents);
// What qemu-img does not say.
Detail DescribeFurther(const Descriptor& descriptor, std::span<const ExtentFile> extents);

}  // namespace platter::vmdk
