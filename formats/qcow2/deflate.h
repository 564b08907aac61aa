// Compression of one cluster at a time, as qcow2 stores it: raw deflate with a window of 4 KiB, or a zstd frame.
//
// The format's readers inflate with a window of 12 bits, so no distance may be longer than 4096; tests inflate
// everything in small pieces, where zlib notices.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "formats/core/deflate.h"
#include "formats/core/idle_pool.h"
#include "formats/core/result.h"
#include "formats/qcow2/layout.h"

namespace platter::qcow2 {

// Holds the codec's working memory (some hundred KiB). One thread at a time. The output depends on the input alone, not
// on what was compressed before.
class ClusterCompressor {
 public:
  virtual ~ClusterCompressor() = default;
  // Compresses `cluster` into `out` and returns the number of bytes; 0 when they do not fit.
  virtual Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) = 0;
};

std::unique_ptr<ClusterCompressor> MakeClusterCompressor(Compression method);

// Compressors for as many threads as come. Thread-safe.
class CompressorPool : public IdlePool<ClusterCompressor> {
 public:
  explicit CompressorPool(Compression method) : IdlePool([method] { return MakeClusterCompressor(method); }) {}
};

}  // namespace platter::qcow2
