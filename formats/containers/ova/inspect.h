// What whoever takes an OVA from a stranger should know about it.
#pragma once

#include <memory>

#include "formats/containers/container.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::ova {

// ContainerDriver::inspect. Fails with kIo only: everything else is a finding of the part that it is about.
Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                 ContainerInspection& inspection);

}  // namespace platter::ova
