// Digests in lanes, for every instruction set that this CPU has: published values, the plain loops, and OpenSSL.
#include "convert/kernels/digest_lanes.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "convert/hash/digest.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"

namespace platter::kernels {
namespace {

struct Pair {
  LaneDigest lanes;
  DigestAlgorithm evp;
};
constexpr Pair kPairs[] = {
    {LaneDigest::kMd5, DigestAlgorithm::kMd5},       {LaneDigest::kSha1, DigestAlgorithm::kSha1},
    {LaneDigest::kSha224, DigestAlgorithm::kSha224}, {LaneDigest::kSha256, DigestAlgorithm::kSha256},
    {LaneDigest::kSha384, DigestAlgorithm::kSha384}, {LaneDigest::kSha512, DigestAlgorithm::kSha512}};

// Runs `body` once for every instruction set that this CPU has.
template <class Body>
void ForEachTarget(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

using Bytes = std::vector<std::byte>;

Bytes Noise(std::uint64_t seed, std::size_t size) {
  test::Random random(seed);
  Bytes bytes(size + 8);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t value = random.Next();
    std::memcpy(bytes.data() + at, &value, 8);
  }
  bytes.resize(size);
  return bytes;
}

Bytes InLanes(LaneDigest digest, std::span<const Message> messages) {
  Bytes out(messages.size() * TraitsOf(digest).digest);
  HashInLanes(digest, messages, out);
  return out;
}

Bytes ByReference(LaneDigest digest, std::span<const Message> messages) {
  Bytes out(messages.size() * TraitsOf(digest).digest);
  HashReference(digest, messages, out);
  return out;
}

Bytes ByOpenssl(DigestAlgorithm algorithm, std::span<const Message> messages) {
  auto digest = Digest::Make(algorithm);
  Bytes out;
  for (const Message message : messages) {
    const auto value = digest.value().Of(message);
    const auto bytes = value.value().bytes();
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

struct Vector {
  LaneDigest digest;
  const char* message;
  const char* hex;
};

constexpr const char* k448Bits = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
constexpr const char* k896Bits =
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

// RFC 1321 and NIST's examples with intermediate values.
constexpr Vector kVectors[] = {
    {LaneDigest::kMd5, "", "d41d8cd98f00b204e9800998ecf8427e"},
    {LaneDigest::kMd5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
    {LaneDigest::kMd5, "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
    {LaneDigest::kSha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {LaneDigest::kSha1, k448Bits, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    {LaneDigest::kSha224, "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {LaneDigest::kSha224, k448Bits, "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525"},
    {LaneDigest::kSha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {LaneDigest::kSha256, k448Bits, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {LaneDigest::kSha384, "abc",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
    {LaneDigest::kSha384, k896Bits,
     "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039"},
    {LaneDigest::kSha512, "abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2"
     "a"
     "9ac94fa54ca49f"},
    {LaneDigest::kSha512, k896Bits,
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545"
     "e"
     "96e55b874be909"},
};

std::string HexOf(std::span<const std::byte> bytes) {
  DigestValue value;
  value.size = bytes.size();
  std::memcpy(value.storage.data(), bytes.data(), bytes.size());
  return value.Hex();
}

TEST(DigestLanes, GiveThePublishedValues) {
  const auto check = [](const auto& hash) {
    for (const Vector& vector : kVectors) {
      // Alone, and beside other messages.
      const Message message = std::as_bytes(std::span(std::string_view(vector.message)));
      for (const std::size_t count : {1, 3, 40}) {
        const std::vector<Message> messages(count, message);
        const Bytes digests = hash(vector.digest, messages);
        EXPECT_EQ(HexOf(std::span(digests).last(TraitsOf(vector.digest).digest)), vector.hex) << vector.message;
      }
    }
  };
  ForEachTarget([&] { check(InLanes); });
  check(ByReference);
}

TEST(DigestLanes, GiveNistsValuesOfAMillionLetters) {
  const Bytes letters(1000000, std::byte{'a'});
  const std::vector<Message> messages(2, letters);
  ForEachTarget([&] {
    const Bytes sha1 = InLanes(LaneDigest::kSha1, messages);
    const Bytes sha256 = InLanes(LaneDigest::kSha256, messages);
    EXPECT_EQ(HexOf(std::span(sha1).last(20)), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    EXPECT_EQ(HexOf(std::span(sha256).last(32)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  });
}

// Messages of every length up to a few blocks, at every alignment, longer ones between short ones.
std::vector<Message> EveryLength(std::span<const std::byte> noise) {
  std::vector<Message> messages;
  for (std::size_t length = 0; length <= 520; ++length) {
    messages.push_back(noise.subspan(length % 67, length));
    if (length % 50 == 0) messages.push_back(noise.subspan(length, 3000 + length));
  }
  return messages;
}

TEST(DigestLanes, AgreeWithTheReferenceForEveryLength) {
  const Bytes noise = Noise(1, 5000);
  const auto messages = EveryLength(noise);
  for (const Pair& pair : kPairs) {
    const Bytes expected = ByReference(pair.lanes, messages);
    EXPECT_TRUE(test::SameBytes(expected, ByOpenssl(pair.evp, messages)));
    ForEachTarget([&] { EXPECT_TRUE(test::SameBytes(InLanes(pair.lanes, messages), expected)); });
  }
}

TEST(DigestLanes, AgreeWithOpensslOnRandomMessages) {
  constexpr std::size_t kCount = 100000;
  const Bytes noise = Noise(2, 100000);
  test::Random random(3);
  std::vector<Message> messages;
  for (std::size_t i = 0; i < kCount; ++i) {
    // Most are short; one in a thousand has many blocks.
    const std::size_t length = i % 1000 == 0 ? random.Below(20000) : random.Below(i % 16 == 0 ? 300 : 80);
    messages.push_back(std::span(noise).subspan(random.Below(noise.size() - length), length));
  }
  for (const Pair& pair : kPairs) {
    const Bytes expected = ByOpenssl(pair.evp, messages);
    ForEachTarget([&] { EXPECT_TRUE(test::SameBytes(InLanes(pair.lanes, messages), expected)); });
  }
}

TEST(DigestLanes, TakeAnyNumberOfMessages) {
  const Bytes noise = Noise(4, 4096);
  for (const Pair& pair : kPairs) {
    EXPECT_TRUE(InLanes(pair.lanes, {}).empty());
    for (std::size_t count = 1; count <= 34; ++count) {
      std::vector<Message> messages;
      for (std::size_t i = 0; i < count; ++i) messages.push_back(std::span(noise).subspan(i, 64 * (i % 5)));
      const Bytes expected = ByOpenssl(pair.evp, messages);
      ForEachTarget([&] { EXPECT_TRUE(test::SameBytes(InLanes(pair.lanes, messages), expected)) << count; });
    }
  }
}

}  // namespace
}  // namespace platter::kernels
