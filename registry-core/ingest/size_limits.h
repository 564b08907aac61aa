// How large an image may become.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/core/result.h"
#include "registry-core/ingest/upload.h"

namespace platter::registry {

// Whether an image of `size` bytes may be, and fits `copies` times (one in each store) into `quota_left` bytes, where
// its owner has a quota. kLimit.
Result<> CheckImageSize(const IngestRules& rules, std::optional<std::uint64_t> quota_left, std::uint64_t size,
                        std::uint64_t copies = 1);

}  // namespace platter::registry
