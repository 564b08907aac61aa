// Digests in lanes, two in one pass, and in the plain loops, of messages of any lengths at any alignment.
#include "convert/kernels/digest_lanes.h"

#include <algorithm>
#include <vector>

#include "convert/kernels/md5_sha512.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

// The blocks of MD5 and SHA-512 in one pass, in pieces, beside each in a lane.
void TakeBoth(InputReader& reader, std::span<const std::byte> blocks) {
  using kernels::LaneDigest;
  kernels::MessageState md5 = kernels::StartMessage(LaneDigest::kMd5);
  kernels::MessageState sha512 = kernels::StartMessage(LaneDigest::kSha512);
  kernels::MessageState plain_md5 = md5;
  kernels::MessageState plain_sha512 = sha512;
  const kernels::MessagePiece for_md5{blocks, &plain_md5};
  const kernels::MessagePiece for_sha512{blocks, &plain_sha512};
  kernels::TakeInLanes(LaneDigest::kMd5, std::span(&for_md5, 1));
  kernels::TakeInLanes(LaneDigest::kSha512, std::span(&for_sha512, 1));
  while (!blocks.empty()) {
    const std::size_t count = reader.empty() ? blocks.size() : reader.Below(blocks.size() + 1);
    const std::size_t piece = count - count % kernels::kMd5Sha512Block;
    kernels::TakeMd5Sha512(blocks.first(piece), md5, sha512);
    blocks = blocks.subspan(piece);
  }
  Promise(md5 == plain_md5 && sha512 == plain_sha512, "one pass equals two");
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  constexpr std::size_t kMostMessages = 60;
  constexpr std::size_t kLongest = 700;
  constexpr std::uint64_t kDigests = 6;
  InputReader reader(input);
  const std::uint64_t choice = reader.Below(kDigests + 1);
  // What the messages are made of; they overlap.
  std::vector<std::byte> bytes(2 * kLongest);
  std::uint32_t noise = reader.Word();
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((noise = noise * 1664525 + 1013904223) >> 24);
  if (choice == kDigests) {
    const std::size_t start = reader.Below(64);
    const std::size_t length = reader.Below(10) * kernels::kMd5Sha512Block;
    return TakeBoth(reader, std::span(bytes).subspan(start, length));
  }
  const auto digest = static_cast<kernels::LaneDigest>(choice);
  std::vector<kernels::Message> messages;
  while (!reader.empty() && messages.size() < kMostMessages) {
    const std::size_t start = reader.Below(kLongest);
    messages.push_back(std::span(bytes).subspan(start, reader.Below(kLongest)));
  }
  std::vector<std::byte> in_lanes(messages.size() * kernels::TraitsOf(digest).digest);
  std::vector<std::byte> plain(in_lanes.size());
  kernels::HashInLanes(digest, messages, in_lanes);
  kernels::HashReference(digest, messages, plain);
  Promise(in_lanes == plain, "the lanes equal the plain loops");
}

}  // namespace platter::fuzz
