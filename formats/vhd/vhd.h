// VHD, Microsoft's (once Connectix's) virtual hard disk, which qemu calls vpc: the verbs that the driver offers. See
// README.md in this folder for the map of the specification.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::vhd {

// In qemu's dialect sector bitmaps and parents do not count, as in qemu: a differencing image reads like a dynamic one.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::vhd
