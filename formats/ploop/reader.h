// One ploop image file as a layer.
#pragma once

#include <memory>

#include "formats/core/driver.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

// Errors as ReadHeader and ReadExtension.
Result<std::shared_ptr<Image>> OpenFile(std::shared_ptr<Storage> storage, const Limits& limits);

}  // namespace platter::ploop
