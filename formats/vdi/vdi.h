// VDI: VirtualBox's disk images.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::vdi {

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::vdi
