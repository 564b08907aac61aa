// Compressed clusters back to guest bytes.
#pragma once

#include <cstddef>
#include <span>

#include "formats/core/result.h"

namespace platter::qcow {

// Fills `out`, one cluster, from the raw deflate stream at the start of `in`. kCorrupt when the stream is damaged or
// gives less than a cluster.
Result<> InflateCluster(std::span<const std::byte> in, std::span<std::byte> out);

}  // namespace platter::qcow
