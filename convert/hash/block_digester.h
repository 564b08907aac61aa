// Digests of many blocks, in lanes or one after the other, whichever takes less time on this CPU.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "convert/hash/digest.h"
#include "convert/kernels/digest_lanes.h"
#include "formats/core/result.h"

namespace platter::hash {

using Block = std::span<const std::byte>;

// Empty for an algorithm without lanes.
std::optional<kernels::LaneDigest> LanesOf(DigestAlgorithm algorithm) noexcept;

// From how many blocks at once the lanes take less time than OpenSSL with one block after the other. Measured, in less
// than a millisecond: which instructions either has, and how fast the CPU is at them, decides. 0: never, or the
// algorithm has no lanes. Requires: `digest` holds the empty message, as it does afterwards.
std::size_t FewestBlocksForLanes(Digest& digest);
// The same for MD5 and SHA-512 of each, beside kernels::TakeMd5Sha512. Requires: kernels::HasMd5Sha512().
std::size_t FewestBlocksForLanesOfBoth();

// Appends the digests of `blocks` to `out`. `fewest_for_lanes` as FewestBlocksForLanes says: as many blocks as there
// are lanes, or at least so many, share a pass. Requires: `digest` holds the empty message.
Result<> HashBlocks(Digest& digest, std::size_t fewest_for_lanes, std::span<const Block> blocks,
                    std::vector<std::byte>& out);

}  // namespace platter::hash
