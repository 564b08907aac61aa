// The block hash of a guest disk: H(H(block 1) || ... || H(block N) || length), the length as 8 bytes little-endian.
//
// It is the construction of the blkhash project (Soffer and Waisbard, SECRYPT 2024). Blocks are hashed on all cores,
// and what the map knows as zeros, or what turns out to be zeros, by a digest that is computed once. The last block is
// as long as the disk leaves it.
#pragma once

#include <cstdint>
#include <vector>

#include "convert/hash/guest_digest.h"
#include "formats/core/chain.h"
#include "formats/core/result.h"

namespace platter {

constexpr std::uint64_t kDefaultHashBlock = std::uint64_t{64} << 10;  // bytes
constexpr std::uint64_t kSmallestHashBlock = 512;
constexpr std::uint64_t kLargestHashBlock = std::uint64_t{16} << 20;

// One block hash for each of options.algorithms. Requires: `block_size` (guest bytes) is a power of two from
// kSmallestHashBlock to kLargestHashBlock. The outer digest works beside the threads that hash blocks; a run of zero
// blocks costs it digests alone, 32 bytes for each block with SHA-256. Memory: buffers of 16 MiB and a queue of 4 MiB
// for each algorithm, whatever the disk's size. Fails as GuestDigests.
Result<std::vector<DigestValue>> BlockHashes(const Chain& chain, std::uint64_t block_size, const HashOptions& options);

}  // namespace platter
