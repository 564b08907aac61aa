// What a new image need not store because its backing file holds just that.
#pragma once

#include <cstdint>

#include "formats/core/chain.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::copy {

// Of batch.runs, the units of `unit` guest bytes that `backing`, which reads as zero behind its end, holds as they are
// become kBacking. Requires: batch.bytes holds all data. Fails as Chain::Map and Chain::ReadAt. From any thread.
Result<> LeaveToBacking(const Chain& backing, std::uint64_t unit, Batch& batch);

}  // namespace platter::copy
