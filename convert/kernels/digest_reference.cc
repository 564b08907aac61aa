// MD5, SHA-1 and SHA-2 as their standards write them down, without a thought of speed.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "convert/kernels/digest_lanes.h"
#include "convert/kernels/digest_padding.h"
#include "convert/kernels/digest_tables.h"
#include "formats/core/bytes.h"

namespace platter::kernels {
namespace {

using Words32 = std::array<std::uint32_t, kMostStateWords>;
using Words64 = std::array<std::uint64_t, kMostStateWords>;

// RFC 1321, section 3.4.
void Md5Block(const std::byte* block, Words32& state) noexcept {
  auto [a, b, c, d] = std::array{state[0], state[1], state[2], state[3]};
  for (std::size_t step = 0; step < 64; ++step) {
    const std::array<std::uint32_t, 4> mixed = {(b & c) | (~b & d), (b & d) | (c & ~d), b ^ c ^ d, c ^ (b | ~d)};
    const std::uint32_t word = LoadLe<std::uint32_t>(block + 4 * Md5Word(step));
    const std::uint32_t sum = a + mixed[step / 16] + word + kMd5Sines[step];
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kMd5Rotations[step / 16][step % 4]);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

// FIPS 180-4, section 6.1.2.
void Sha1Block(const std::byte* block, Words32& state) noexcept {
  std::array<std::uint32_t, 80> words{};
  for (std::size_t i = 0; i < 80; ++i) {
    words[i] = i < 16 ? LoadBe<std::uint32_t>(block + 4 * i)
                      : std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  auto [a, b, c, d, e] = std::array{state[0], state[1], state[2], state[3], state[4]};
  for (std::size_t i = 0; i < 80; ++i) {
    const std::array<std::uint32_t, 4> mixed = {(b & c) ^ (~b & d), b ^ c ^ d, (b & c) ^ (b & d) ^ (c & d), b ^ c ^ d};
    const std::uint32_t sum = std::rotl(a, 5) + mixed[i / 20] + e + kSha1Constants[i / 20] + words[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = sum;
  }
  const std::array ended = {a, b, c, d, e};
  for (std::size_t i = 0; i < ended.size(); ++i) state[i] += ended[i];
}

// By how much the functions of SHA-2 rotate; the last of the small ones shifts.
struct Sha2Rotations {
  std::array<int, 3> big0, big1, small0, small1;
};
constexpr Sha2Rotations kRotations256 = {{2, 13, 22}, {6, 11, 25}, {7, 18, 3}, {17, 19, 10}};
constexpr Sha2Rotations kRotations512 = {{28, 34, 39}, {14, 18, 41}, {1, 8, 7}, {19, 61, 6}};

template <class Word>
Word Big(Word x, const std::array<int, 3>& by) noexcept {
  return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ std::rotr(x, by[2]);
}
template <class Word>
Word Small(Word x, const std::array<int, 3>& by) noexcept {
  return std::rotr(x, by[0]) ^ std::rotr(x, by[1]) ^ (x >> by[2]);
}

// FIPS 180-4, sections 6.2.2 and 6.4.2.
template <class Word, std::size_t kSteps>
void Sha2Block(const std::byte* block, std::array<Word, kMostStateWords>& state, const Sha2Rotations& by,
               const std::array<Word, kSteps>& constants) noexcept {
  std::array<Word, kSteps> words{};
  for (std::size_t i = 0; i < kSteps; ++i) {
    words[i] = i < 16 ? LoadBe<Word>(block + sizeof(Word) * i)
                      : static_cast<Word>(Small(words[i - 2], by.small1) + words[i - 7] +
                                          Small(words[i - 15], by.small0) + words[i - 16]);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < kSteps; ++i) {
    const Word sum1 = h + Big(e, by.big1) + ((e & f) ^ (~e & g)) + constants[i] + words[i];
    const Word sum2 = Big(a, by.big0) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + sum1;
    d = c;
    c = b;
    b = a;
    a = sum1 + sum2;
  }
  const std::array ended = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < ended.size(); ++i) state[i] += ended[i];
}

void Block(LaneDigest digest, const std::byte* block, Words32& state) noexcept {
  if (digest == LaneDigest::kMd5) return Md5Block(block, state);
  if (digest == LaneDigest::kSha1) return Sha1Block(block, state);
  Sha2Block(block, state, kRotations256, kSha256Constants);
}
void Block(LaneDigest /*digest*/, const std::byte* block, Words64& state) noexcept {
  Sha2Block(block, state, kRotations512, kSha512Constants);
}

template <class Word>
void HashOne(LaneDigest digest, Message message, std::byte* out) noexcept {
  const std::size_t block = TraitsOf(digest).block;
  std::array<Word, kMostStateWords> state{};
  std::ranges::copy(StartOf<Word>(digest), state.begin());
  for (std::size_t at = 0; at + block <= message.size(); at += block) Block(digest, message.data() + at, state);
  LastBlocks last;
  Pad(digest, message, last);
  for (std::size_t i = 0; i < last.blocks; ++i) Block(digest, last.bytes.data() + i * block, state);
  WriteDigest(digest, state.data(), 1, out);
}

template <class Word>
void EndOne(LaneDigest digest, const MessageState& words, const LastBlocks& last, std::byte* out) noexcept {
  std::array<Word, kMostStateWords> state{};
  std::ranges::transform(words, state.begin(), [](std::uint64_t word) { return static_cast<Word>(word); });
  const std::size_t block = TraitsOf(digest).block;
  for (std::size_t i = 0; i < last.blocks; ++i) Block(digest, last.bytes.data() + i * block, state);
  WriteDigest(digest, state.data(), 1, out);
}

}  // namespace

void EndMessage(LaneDigest digest, const MessageState& state, std::span<const std::byte> rest, std::uint64_t length,
                std::span<std::byte> out) noexcept {
  LastBlocks last;
  Pad(digest, rest, length, last);
  if (TraitsOf(digest).word == 4) {
    EndOne<std::uint32_t>(digest, state, last, out.data());
  } else {
    EndOne<std::uint64_t>(digest, state, last, out.data());
  }
}

void HashReference(LaneDigest digest, std::span<const Message> messages, std::span<std::byte> out) noexcept {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    std::byte* place = out.data() + i * TraitsOf(digest).digest;
    if (TraitsOf(digest).word == 4) {
      HashOne<std::uint32_t>(digest, messages[i], place);
    } else {
      HashOne<std::uint64_t>(digest, messages[i], place);
    }
  }
}

}  // namespace platter::kernels
