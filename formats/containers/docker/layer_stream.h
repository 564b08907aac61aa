// The bytes of a layer, decompressed while they are read: plain, gzip (any number of members) or zstd (any number of
// frames), by its first bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "formats/containers/docker/digest.h"
#include "formats/core/memory_budget.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };
std::string_view CompressionName(Compression compression) noexcept;  // "", "gzip", "zstd"

// By the first bytes. kUnsupported for bzip2, xz and lz4; kIo.
Result<Compression> FindCompression(Storage& stored);

// For one thread. Holds at most its buffers and what the format's window takes: 32 KiB, of zstd up to 128 MiB.
class LayerStream {
 public:
  virtual ~LayerStream() = default;
  // Fills `out` as far as the layer goes; fewer bytes mean its end, where everything stored has been read. kCorrupt for
  // damaged or cut streams; kLimit for a zstd window beyond 128 MiB; kIo.
  virtual Result<std::size_t> Read(std::span<std::byte> out) = 0;
  // Another stream that goes on from here, without a digest; null where the codec cannot do that.
  virtual std::unique_ptr<LayerStream> Clone() const { return nullptr; }

  // `digest`, unless null, gets every stored byte; it must outlive the stream, and so must `memory`, against which the
  // window counts, unless null. Errors as FindCompression. Reading throws std::bad_alloc where there is no memory for
  // the window.
  static Result<std::unique_ptr<LayerStream>> Open(std::shared_ptr<Storage> stored, Hasher* digest,
                                                   MemoryBudget* memory = nullptr);
};

}  // namespace platter::docker
