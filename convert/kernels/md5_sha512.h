// MD5 and SHA-512 of one message in one pass.
//
// Either alone waits for its own last result most of the time. Side by side, MD5 in a vector register and SHA-512 in
// the general ones, both take a tenth longer than MD5 alone. Where the CPU lacks AVX-512 there is nothing to be had:
// MD5 in vectors needs its rotations and its functions of three operands.
#pragma once

#include <cstddef>
#include <span>

#include "convert/kernels/digest_lanes.h"

namespace platter::kernels {

// Bytes that one step takes: a block of SHA-512, two of MD5.
inline constexpr std::size_t kMd5Sha512Block = 128;

// Whether this CPU gains by it.
bool HasMd5Sha512() noexcept;

// Takes what comes next of a message whose states these are: any number of whole blocks, at any alignment. In one pass
// or, without HasMd5Sha512, one digest after the other. Requires: blocks.size() % kMd5Sha512Block == 0.
void TakeMd5Sha512(std::span<const std::byte> blocks, MessageState& md5, MessageState& sha512) noexcept;

}  // namespace platter::kernels
