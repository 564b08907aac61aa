// Digests of what a guest reads from a disk, whatever its format.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "convert/copy/rate_limit.h"
#include "convert/hash/algorithm.h"
#include "convert/hash/digest_pool.h"
#include "convert/hash/digest_set.h"
#include "formats/core/chain.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/writer.h"

namespace platter {

struct HashOptions {
  std::vector<DigestAlgorithm> algorithms = {DigestAlgorithm::kSha256};  // at least one
  unsigned workers = 0;  // threads that read; 0: as many as suit the machine. Never changes the result
  // Called with bytes, one call at a time, ascending. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  // Looked at between pieces; once true, the outcome is kCancelled. May be null.
  const std::atomic<bool>* cancel = nullptr;
  // FileDigests: holds back what is read from the file. Holes pass freely. May be null.
  copy::RateLimit* rate = nullptr;
};

// The digests of the guest disk's bytes from first to last, as of a raw image. Holes and zeros are not read, but hashed
// like all other bytes. Fails as Chain::Map and Chain::ReadAt, with kUnsupported as Digest::Make.
Result<std::vector<DigestValue>> GuestDigests(const Chain& chain, const HashOptions& options);

// The digests of the file's own bytes. Holes are hashed without being read. With `pool`: together with what else is
// hashed there.
Result<std::vector<DigestValue>> FileDigests(Storage& file, const HashOptions& options);
Result<std::vector<DigestValue>> FileDigests(Storage& file, const HashOptions& options, DigestPool& pool);

// Adds what `batch` reads as to `digests`, as far as it lies below `end` (guest bytes). Requires: it has no kBacking
// runs, or nothing lies below it.
void UpdateWithBatch(DigestSet& digests, const Batch& batch, std::uint64_t end);

}  // namespace platter
