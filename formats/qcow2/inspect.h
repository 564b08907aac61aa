// What an inspector reports of an image beyond what opening it tells.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::qcow2 {

// FormatDriver::inspect.
Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection);

}  // namespace platter::qcow2
