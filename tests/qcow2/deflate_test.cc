#include "formats/qcow2/deflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "formats/core/memory_storage.h"
#include "formats/qcow2/header.h"
#include "tests/qcow2/new_image.h"

namespace platter::qcow2 {
namespace {

using test::Random;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kPiece = 1024;

// What a reader with a window of 4 KiB makes of `deflated` when it inflates piece by piece: zlib notices a distance
// beyond its window only across calls. Stops early on an error.
Bytes InflateInPieces(std::span<const std::byte> deflated, std::size_t size) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, -12), Z_OK);
  Bytes input(deflated.begin(), deflated.end());
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  Bytes out(size);
  std::size_t done = 0;
  for (int outcome = Z_OK; outcome == Z_OK && done < size;) {
    const std::size_t room = std::min(kPiece, size - done);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(room);
    outcome = inflate(&stream, Z_SYNC_FLUSH);
    done += room - stream.avail_out;
    if (stream.avail_out != 0 && outcome == Z_OK) break;
  }
  inflateEnd(&stream);
  out.resize(done);
  return out;
}

// Noise in which parts repeat at distances on both sides of the window's 4096 bytes, up to 40000: whoever looks further
// back than allowed finds much to gain there.
Bytes RepeatsFarApart(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  for (std::size_t repeat = 0; repeat < size / 200; ++repeat) {
    const std::size_t length = 4 + random.Below(250);
    const std::size_t distance = seed % 2 == 0 ? 4000 + random.Below(36000) : 4090 + random.Below(12);
    if (distance + length >= size) continue;
    const std::size_t at = distance + random.Below(size - distance - length);
    std::memmove(bytes.data() + at, bytes.data() + at - distance, length);
  }
  return bytes;
}

Bytes Words(std::uint64_t seed, std::size_t size) {
  static constexpr std::array<std::string_view, 8> kWords = {"cluster ", "offset ", "of ",   "the\n",
                                                             "  ",       "0x00",    "table", ", and "};
  Random random(seed);
  std::string text;
  while (text.size() < size) text += random.Pick(kWords);
  const auto bytes = std::as_bytes(std::span(text)).first(size);
  return {bytes.begin(), bytes.end()};
}

Bytes DeflateByZlib(const Bytes& bytes, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes input = bytes;
  Bytes out(deflateBound(&stream, input.size()));
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(DeflatedCluster, KeepsToAWindowOf4KiB) {
  const auto compressor = MakeClusterCompressor(Compression::kZlib);
  int shrunk = 0;
  for (const std::size_t size : {512U, 4096U, 16384U, 65536U, 262144U, 2097152U}) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const Bytes bytes = seed < 4 ? RepeatsFarApart(seed, size) : Words(seed, size);
      Bytes out(size - 1);
      const auto length = compressor->Compress(bytes, out);
      ASSERT_TRUE(length.ok()) << length.error().Describe();
      if (length.value() == 0) continue;
      ++shrunk;
      EXPECT_TRUE(InflateInPieces(std::span(out).first(length.value()), size) == bytes) << size << " " << seed;
    }
  }
  EXPECT_GT(shrunk, 10);
}

// Without this, the test above might pass because it cannot see what it looks for.
TEST(DeflatedCluster, ControlWithALargerWindowFails) {
  const Bytes bytes = RepeatsFarApart(0, 65536);
  EXPECT_TRUE(InflateInPieces(DeflateByZlib(bytes, -12), bytes.size()) == bytes);
  EXPECT_FALSE(InflateInPieces(DeflateByZlib(bytes, -15), bytes.size()) == bytes);
}

TEST(DeflatedCluster, DoesNotDependOnWhatCameBefore) {
  for (const Compression method : {Compression::kZlib, Compression::kZstd}) {
    const Bytes bytes = Words(7, 65536);
    Bytes fresh(65535);
    Bytes reused(65535);
    const auto expected = MakeClusterCompressor(method)->Compress(bytes, fresh);
    const auto compressor = MakeClusterCompressor(method);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      EXPECT_TRUE(compressor->Compress(RepeatsFarApart(seed, 65536), reused).ok());
    }
    const auto again = compressor->Compress(bytes, reused);
    ASSERT_TRUE(expected.ok() && again.ok());
    EXPECT_EQ(again.value(), expected.value());
    EXPECT_TRUE(std::ranges::equal(std::span(fresh).first(expected.value()), std::span(reused).first(again.value())));
  }
}

// A fresh state and one that has seen other clusters, at other addresses: ISA-L's lower levels fail this.
TEST(DeflatedCluster, DoesNotDependOnItsState) {
  Random random(5);
  const auto reused = MakeClusterCompressor(Compression::kZlib);
  Bytes cluster(512);
  Bytes expected(cluster.size() - 1);
  Bytes again(cluster.size() - 1);
  for (int round = 0; round < 20000; ++round) {
    for (std::byte& byte : cluster) byte = static_cast<std::byte>(random.Below(3));
    const auto fresh = MakeClusterCompressor(Compression::kZlib);
    const auto first = fresh->Compress(cluster, expected);
    const auto second = reused->Compress(cluster, again);
    ASSERT_TRUE(first.ok() && second.ok());
    ASSERT_EQ(first.value(), second.value()) << round;
    ASSERT_TRUE(std::ranges::equal(std::span(expected).first(first.value()), std::span(again).first(second.value())));
  }
}

TEST(DeflatedCluster, IsRefusedWhenItDoesNotShrink) {
  Random random(1);
  Bytes noise(65536);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random.Next());
  for (const Compression method : {Compression::kZlib, Compression::kZstd}) {
    Bytes out(noise.size() - 1);
    const auto length = MakeClusterCompressor(method)->Compress(noise, out);
    ASSERT_TRUE(length.ok()) << length.error().Describe();
    EXPECT_EQ(length.value(), 0u);
  }
}

// Every compressed cluster of a finished image, found through its tables.
TEST(DeflatedCluster, InAnImageInflatesInPieces) {
  const test::GuestDisk disk = test::RandomGuest(11, std::uint64_t{6} << 20, 4096);
  const auto file = std::make_shared<MemoryStorage>("disk.qcow2");
  test::ExpectWritten(test::WriteImage(file, disk, "", true));
  const Bytes image = file->Snapshot();
  const auto header = ParseHeader(std::span(image).first(65536), image.size());
  ASSERT_TRUE(header.ok()) << header.error().Describe();
  const std::uint64_t l2_table = LoadBe<std::uint64_t>(image.data() + header.value().l1_table_offset) & kOffsetMask;
  int compressed = 0;
  for (std::uint64_t cluster = 0; cluster < disk.size >> 16; ++cluster) {
    const auto entry = LoadBe<std::uint64_t>(image.data() + l2_table + cluster * 8);
    if ((entry & kCompressed) == 0) continue;
    ++compressed;
    const CompressedSpot spot = DecodeCompressed(header.value(), entry);
    const auto payload = std::span(image).subspan(spot.offset, std::min(spot.length, image.size() - spot.offset));
    Bytes expected(65536);
    disk.Fill(cluster << 16, expected);
    EXPECT_TRUE(InflateInPieces(payload, expected.size()) == expected) << "guest cluster " << cluster;
  }
  EXPECT_GT(compressed, 10);
}

}  // namespace
}  // namespace platter::qcow2
