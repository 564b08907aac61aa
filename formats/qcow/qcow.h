// qcow, version 1: the format before qcow2. Read only.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::qcow {

// Encrypted images open, and cannot be read.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::qcow
