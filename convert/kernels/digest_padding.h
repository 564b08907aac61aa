// What the lanes and the plain loops share: how messages start and end, and how a state becomes a digest.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "convert/kernels/digest_lanes.h"
#include "convert/kernels/digest_tables.h"
#include "formats/core/bytes.h"

namespace platter::kernels {

inline constexpr std::size_t kMostStateWords = 8;

// The words that a message starts with, kMostStateWords at most.
template <class Word>
std::span<const Word> StartOf(LaneDigest digest) noexcept;
template <>
inline std::span<const std::uint32_t> StartOf(LaneDigest digest) noexcept {
  if (digest == LaneDigest::kMd5) return std::span(kSha1Start).first(4);
  if (digest == LaneDigest::kSha1) return kSha1Start;
  return digest == LaneDigest::kSha224 ? kSha224Start : kSha256Start;
}
template <>
inline std::span<const std::uint64_t> StartOf(LaneDigest digest) noexcept {
  return digest == LaneDigest::kSha384 ? kSha384Start : kSha512Start;
}

// The last bytes of a message with its padding: one or two blocks.
struct LastBlocks {
  std::array<std::byte, 256> bytes;
  std::size_t blocks;
};

// Fills `last` with `rest`, what a message of `length` bytes has behind its whole blocks, and the padding: a bit,
// zeros, the length in bits.
inline void Pad(LaneDigest digest, Message rest, std::uint64_t length, LastBlocks& last) noexcept {
  const LaneTraits& traits = TraitsOf(digest);
  const std::size_t length_bytes = 2 * traits.word;
  last.blocks = rest.size() + 1 + length_bytes <= traits.block ? 1 : 2;
  const std::size_t end = last.blocks * traits.block;
  std::ranges::copy(rest, last.bytes.begin());
  last.bytes[rest.size()] = std::byte{0x80};
  std::fill(last.bytes.begin() + static_cast<std::ptrdiff_t>(rest.size()) + 1,
            last.bytes.begin() + static_cast<std::ptrdiff_t>(end), std::byte{0});
  const std::uint64_t bits = length * 8;
  if (digest == LaneDigest::kMd5) {
    StoreLe(last.bytes.data() + end - 8, bits);
  } else {
    StoreBe(last.bytes.data() + end - 8, bits);
  }
}

// As above, of a whole message.
inline void Pad(LaneDigest digest, Message message, LastBlocks& last) noexcept {
  Pad(digest, message.last(message.size() % TraitsOf(digest).block), message.size(), last);
}

// Writes the digest that the words state[0], state[stride], ... stand for.
template <class Word>
void WriteDigest(LaneDigest digest, const Word* state, std::size_t stride, std::byte* out) noexcept {
  const std::size_t words = TraitsOf(digest).digest / sizeof(Word);
  for (std::size_t i = 0; i < words; ++i) {
    if (digest == LaneDigest::kMd5) {
      StoreLe(out + i * sizeof(Word), state[i * stride]);
    } else {
      StoreBe(out + i * sizeof(Word), state[i * stride]);
    }
  }
}

}  // namespace platter::kernels
