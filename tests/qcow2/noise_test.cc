#include "formats/qcow2/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/qcow2/deflate.h"
#include "tests/qcow2/new_image.h"

namespace platter::qcow2 {
namespace {

using test::Random;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kSizes[] = {4096, 16384, 65536, 2097152};

Bytes Noise(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  return bytes;
}

// Text over the `length` bytes at `at`.
void WriteText(Bytes& bytes, std::size_t at, std::size_t length) {
  static constexpr std::string_view kText = "What is stored here compresses, though not much of it is. ";
  for (std::size_t i = 0; i < length; ++i) bytes[at + i] = static_cast<std::byte>(kText[i % kText.size()]);
}

TEST(Noise, IsKnownAtEverySize) {
  for (const std::size_t size : kSizes) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      ASSERT_TRUE(LooksLikeNoise(Noise(seed, std::min(size, std::size_t{65536})))) << size << " " << seed;
    }
    EXPECT_TRUE(LooksLikeNoise(Noise(1, size)));
  }
}

TEST(Noise, IsNotWhatCompresses) {
  for (const std::size_t size : kSizes) {
    Bytes zeros(size);
    Bytes text(size);
    WriteText(text, 0, size);
    Bytes counter(size);
    for (std::size_t i = 0; i < size; ++i) counter[i] = static_cast<std::byte>(i);
    Bytes seven_bits = Noise(2, size);
    for (std::byte& byte : seven_bits) byte &= std::byte{0x7F};
    for (const Bytes& bytes : {zeros, text, counter, seven_bits}) EXPECT_FALSE(LooksLikeNoise(bytes)) << size;
  }
}

// Wherever the part lies that is no noise, behind the first look, too.
TEST(Noise, WithTextInItIsNot) {
  for (std::size_t at = 0; at + 2048 <= 65536; at += 1024) {
    Bytes bytes = Noise(at, 65536);
    WriteText(bytes, at, 2048);
    EXPECT_FALSE(LooksLikeNoise(bytes)) << at;
  }
}

TEST(Noise, ThatRepeatsIsNot) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Bytes bytes = Noise(seed, 65536);
    for (std::size_t at = 0; at < bytes.size(); at += 8192) {
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 4096,
                  bytes.begin() + static_cast<std::ptrdiff_t>(at) + 4096);
    }
    EXPECT_FALSE(LooksLikeNoise(bytes)) << seed;
  }
}

TEST(Noise, OfFewBytesIsNotJudged) { EXPECT_FALSE(LooksLikeNoise(Noise(1, 4095))); }

// What is left alone would have gained nothing: at the level that looks first and at those that try everything.
TEST(Noise, IsNotTriedByTheFastLevels) {
  for (const std::size_t size : kSizes) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const Bytes bytes = Noise(seed, std::min(size, std::size_t{65536}));
      Bytes out(bytes.size() - 1);
      for (const int level : {1, 3, 4, 9}) {
        const auto length = MakeClusterCompressor(Compression::kZlib, level)->Compress(bytes, out);
        ASSERT_TRUE(length.ok()) << length.error().Describe();
        EXPECT_EQ(length.value(), 0U) << size << " " << level;
      }
    }
  }
}

TEST(Noise, WithAGainIsCompressed) {
  Bytes bytes = Noise(3, 65536);
  WriteText(bytes, 40000, 4096);
  Bytes out(bytes.size() - 1);
  const auto length = MakeClusterCompressor(Compression::kZlib)->Compress(bytes, out);
  ASSERT_TRUE(length.ok()) << length.error().Describe();
  EXPECT_GT(length.value(), 0U);
  EXPECT_LT(length.value(), bytes.size() - 2048);
}

}  // namespace
}  // namespace platter::qcow2
