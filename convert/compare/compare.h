// Compare: do two guest disks read the same? By extents: where both read as zero nothing is read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "formats/core/chain.h"
#include "formats/core/error.h"
#include "formats/core/result.h"

namespace platter {

struct CompareOptions {
  unsigned workers = 0;  // threads that read; 0: as many as suit the machine. Never changes the result
  std::uint64_t buffer_bytes = std::uint64_t{16} << 20;  // all buffers together; one worker's are always granted
  // Allocation and size have to agree too.
  bool strict = false;
  // Called with guest bytes, one call at a time, ascending. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  // Looked at between pieces; once true, Compare returns kCancelled. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

struct Comparison {
  enum class Verdict : std::uint8_t {
    kIdentical,       // a longer disk's rest reads as zero
    kContentDiffers,  // from the sector at `offset`
    kStatusDiffers,   // strict: the extent at `offset` is stored in one way here, in another there
    kSizeDiffers,     // strict
    kMapFailed,       // `error`: metadata of image `side` at `offset`
    kReadFailed,      // `error`: data of image `side` at `offset`
  };
  Verdict verdict = Verdict::kIdentical;
  std::uint64_t offset = 0;  // guest bytes
  std::size_t side = 0;      // 0 = a, 1 = b
  std::optional<Error> error;
};

// The finding at the lowest offset wins. Fails with kCancelled, and with kIo when the host has no memory for buffers.
Result<Comparison> Compare(const Chain& a, const Chain& b, const CompareOptions& options);

}  // namespace platter
