// VHDX, version 1: the verbs that the driver offers. See README.md in this folder for the map of the specification.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::vhdx {

// A file whose log has not been replayed is read as its log makes it; the file stays as it is.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::vhdx
