// Compressed clusters: every kind of stream that is right, and those that are not.
#include "formats/qcow2/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/guest.h"

namespace platter::test {
namespace {

using qcow2::Compression;
using qcow2::Inflater;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kCluster = 65536;

// Noise that comes again after `period` bytes: matches at that distance.
Bytes Content(std::size_t size, std::size_t period) {
  Random random(3);
  Bytes bytes(size);
  for (std::size_t at = 0; at < size; ++at) {
    bytes[at] = at < period ? std::byte(random.Below(256)) : bytes[at - period];
  }
  return bytes;
}

Bytes Deflated(const Bytes& bytes, int level, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes Zstandard(const Bytes& bytes, int window_log = 0) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  Bytes out(ZSTD_compressBound(bytes.size()) + 64);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0U);
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

Bytes Joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes Part(const Bytes& bytes, std::size_t offset, std::size_t size) {
  const auto part = std::span(bytes).subspan(offset, size);
  return {part.begin(), part.end()};
}

void ExpectInflates(Compression compression, const Bytes& stream, const Bytes& expected) {
  Inflater inflater(compression);
  Bytes out(expected.size());
  for (int round = 0; round < 2; ++round) {  // the state is reused
    std::ranges::fill(out, std::byte{0xEE});
    const auto outcome = inflater.Inflate(stream, out);
    ASSERT_TRUE(outcome.ok()) << outcome.error().Describe();
    EXPECT_TRUE(out == expected);
  }
}

void ExpectCorrupt(Compression compression, const Bytes& stream, std::size_t size = kCluster) {
  Inflater inflater(compression);
  Bytes out(size);
  const auto outcome = inflater.Inflate(stream, out);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind(), ErrorKind::kCorrupt);
}

TEST(InflateZlib, TakesEveryLevelAndWindow) {
  for (const std::size_t size : {std::size_t{512}, kCluster, std::size_t{2} << 20}) {
    const Bytes bytes = Content(size, 3000);
    for (const int level : {0, 1, 6, 9}) ExpectInflates(Compression::kZlib, Deflated(bytes, level, -12), bytes);
    ExpectInflates(Compression::kZlib, Deflated(Content(size, 30000), 9, -15), Content(size, 30000));
  }
}

TEST(InflateZlib, IgnoresWhatFollowsTheStream) {
  const Bytes bytes = Content(kCluster, 100);
  ExpectInflates(Compression::kZlib, Joined(Deflated(bytes, 6, -12), Bytes(700, std::byte{0x5A})), bytes);
}

// As qemu: what fills the cluster is good, whether or not the stream goes on.
TEST(InflateZlib, TakesTheClusterOfALongerStream) {
  const Bytes bytes = Content(2 * kCluster, 100);
  ExpectInflates(Compression::kZlib, Deflated(bytes, 6, -12), Part(bytes, 0, kCluster));
}

TEST(InflateZlib, RefusesDamagedStreams) {
  const Bytes stream = Deflated(Content(kCluster, 3000), 6, -12);
  ExpectCorrupt(Compression::kZlib, {});
  ExpectCorrupt(Compression::kZlib, Part(stream, 0, stream.size() / 2));
  ExpectCorrupt(Compression::kZlib, Bytes(5000, std::byte{0xFF}));
  ExpectCorrupt(Compression::kZlib, Deflated(Content(kCluster - 1, 3000), 6, -12));
  ExpectCorrupt(Compression::kZlib, Deflated(Content(kCluster, 3000), 6, 12));  // with a zlib header
}

TEST(InflateZstd, TakesOneFrameAndSeveral) {
  const Bytes bytes = Content(kCluster, 3000);
  ExpectInflates(Compression::kZstd, Zstandard(bytes), bytes);
  const Bytes two = Joined(Zstandard(Part(bytes, 0, 1000)), Zstandard(Part(bytes, 1000, kCluster - 1000)));
  ExpectInflates(Compression::kZstd, Joined(two, Bytes(300, std::byte{0x11})), bytes);
}

TEST(InflateZstd, ALargeWindowCostsNothing) {
  const Bytes bytes = Content(kCluster, 3000);
  ExpectInflates(Compression::kZstd, Zstandard(bytes, 27), bytes);
}

TEST(InflateZstd, RefusesDamagedStreams) {
  const Bytes stream = Zstandard(Content(kCluster, 3000));
  ExpectCorrupt(Compression::kZstd, {});
  ExpectCorrupt(Compression::kZstd, Part(stream, 0, stream.size() / 2));
  ExpectCorrupt(Compression::kZstd, Bytes(5000, std::byte{0xFF}));
  ExpectCorrupt(Compression::kZstd, Zstandard(Content(kCluster - 1, 3000)));
  ExpectCorrupt(Compression::kZstd, Zstandard(Content(kCluster + 1, 3000)));
}

}  // namespace
}  // namespace platter::test
