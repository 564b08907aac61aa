// Digests in lanes and in the plain loops, of messages of any lengths at any alignment.
#include "convert/kernels/digest_lanes.h"

#include <algorithm>
#include <vector>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  constexpr std::size_t kMostMessages = 60;
  constexpr std::size_t kLongest = 700;
  InputReader reader(input);
  const auto digest = static_cast<kernels::LaneDigest>(reader.Below(6));
  // What the messages are made of; they overlap.
  std::vector<std::byte> bytes(2 * kLongest);
  std::uint32_t noise = reader.Word();
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((noise = noise * 1664525 + 1013904223) >> 24);
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
