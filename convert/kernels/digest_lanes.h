// Digests of many independent messages at once, each in a lane of the CPU's vectors: MD5, SHA-1 and SHA-2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace platter::kernels {

enum class LaneDigest : std::uint8_t { kMd5, kSha1, kSha224, kSha256, kSha384, kSha512 };

using Message = std::span<const std::byte>;

struct LaneTraits {
  std::size_t block;        // bytes that one step takes of each message
  std::size_t word;         // bytes of the words that it works with: 4 or 8
  std::size_t state_words;  // of the state between blocks
  std::size_t digest;       // bytes
};
const LaneTraits& TraitsOf(LaneDigest digest) noexcept;

// How many messages are hashed at once by the best instruction set of this CPU.
std::size_t LaneCount(LaneDigest digest) noexcept;

// Writes the messages' digests to `out`, one after the other. Messages may have any lengths: whoever's ends gives its
// lane to the next one. Any alignment. Requires: out.size() == messages.size() * TraitsOf(digest).digest.
void HashInLanes(LaneDigest digest, std::span<const Message> messages, std::span<std::byte> out) noexcept;

// The same by plain loops, one message after the other; for tests and benchmarks.
void HashReference(LaneDigest digest, std::span<const Message> messages, std::span<std::byte> out) noexcept;

// A message of which some whole blocks have been taken. Words of 4 bytes are in the lower halves.
using MessageState = std::array<std::uint64_t, 8>;
MessageState StartMessage(LaneDigest digest) noexcept;

// What comes next of a message: whole blocks, any number of them.
struct MessagePiece {
  std::span<const std::byte> blocks;
  MessageState* state;
};
// Takes pieces of different messages, as many at once as there are lanes.
void TakeInLanes(LaneDigest digest, std::span<const MessagePiece> pieces) noexcept;
// Writes the digest of a message of `length` bytes. `rest`: those behind its last whole block.
// Requires: out.size() == TraitsOf(digest).digest.
void EndMessage(LaneDigest digest, const MessageState& state, std::span<const std::byte> rest, std::uint64_t length,
                std::span<std::byte> out) noexcept;

}  // namespace platter::kernels
