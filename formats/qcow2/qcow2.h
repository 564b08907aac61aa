// qcow2, versions 2 and 3: the verbs that the driver offers. See README.md in this folder for the map of the
// specification.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::qcow2 {

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::qcow2
