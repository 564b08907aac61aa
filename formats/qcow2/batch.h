// What the writer of a new image and that of an existing one both do with a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/core/writer.h"
#include "formats/qcow2/deflate.h"

namespace platter::qcow2 {

// Compresses every cluster of the batch's data runs that has not come compressed: batch.units holds one unit for each,
// in guest order. The disk's last cluster is filled up with zeros. Thread-safe for different batches.
Result<> CompressClusters(Batch& batch, CompressorPool& compressors, std::uint64_t cluster_size);

}  // namespace platter::qcow2
