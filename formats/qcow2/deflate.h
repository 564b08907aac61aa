// Compression of one cluster at a time, as qcow2 stores it: raw deflate with a window of 4 KiB, or a zstd frame.
//
// The format's readers inflate with a window of 12 bits, so no distance may be longer than 4096; tests inflate
// everything in small pieces, where zlib notices.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
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
  // Compresses `cluster` into `out` and returns the number of bytes; 0 when they do not fit, or, in a hurry,
  // when it looks as if they would not.
  virtual Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) = 0;
};

// kInvalid for a level that the method does not know: zlib has 1 to 9 (as Deflater), zstd 1 to 22.
Result<> CheckCompressionLevel(Compression method, std::optional<int> level);

// `level` empty: the fastest whose output is within a tenth of what qemu-img makes. Requires: CheckCompressionLevel.
std::unique_ptr<ClusterCompressor> MakeClusterCompressor(Compression method, std::optional<int> level = std::nullopt);

// Compressors for as many threads as come. Thread-safe.
class CompressorPool : public IdlePool<ClusterCompressor> {
 public:
  CompressorPool(Compression method, std::optional<int> level)
      : IdlePool([method, level] { return MakeClusterCompressor(method, level); }) {}
};

}  // namespace platter::qcow2
