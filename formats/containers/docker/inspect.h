// What whoever takes a docker archive from a stranger should know about it.
#pragma once

#include <memory>

#include "formats/containers/container.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

// ContainerDriver::inspect. Fails with kIo only: everything else is a finding.
Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                 ContainerInspection& inspection);

// Whether this is the beginning of an image layout's index.json.
bool LooksLikeIndex(std::span<const std::byte> head) noexcept;

}  // namespace platter::docker
