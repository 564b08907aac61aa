// What `info` says about a VHD beyond what every image has; qemu says nothing.
#pragma once

#include "formats/core/detail.h"
#include "formats/vhd/locate.h"

namespace platter::vhd {

// "fixed", "dynamic" or "differencing".
std::string_view SubformatName(const Footer& footer) noexcept;

// "subformat", "uuid", "creator", "creator-os", "geometry", "current-size" where it is not the virtual size,
// "parent-uuid", "saved-state", and what is wrong with a footer.
Detail DescribeFurther(const Headers& headers);

}  // namespace platter::vhd
