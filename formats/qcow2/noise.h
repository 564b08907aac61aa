// Tells bytes that no codec makes smaller: random ones, encrypted ones, and what was compressed before.
#pragma once

#include <cstddef>
#include <span>

namespace platter::qcow2 {

// True when the values of the bytes are as evenly spread as those of random bytes: the chi-squared statistic of their
// counts, 255 on average, lies between 170 and 340. Huffman codes then save less than a thousandth. Anything that
// repeats raises the statistic as well, a second copy of a third of the bytes above 340; counters lower it. False for
// fewer than 4096 bytes, about which their counts say little. A fraction of what it costs to try a codec, and on what
// compresses as a rule no more than a look at the first 4096 bytes.
bool LooksLikeNoise(std::span<const std::byte> bytes) noexcept;

}  // namespace platter::qcow2
