#include "formats/amazon/compression.h"

#include <bzlib.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "formats/core/bytes.h"

namespace platter::amazon {
namespace {

using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

struct Magic {
  Compression compression;
  std::string_view bytes;
};
constexpr std::array kMagics = {
    Magic{Compression::kGzip, {"\x1F\x8B\x08", 3}},
    Magic{Compression::kXz,
          {"\xFD"
           "7zXZ\0",
           6}},
    Magic{Compression::kBzip2, {"BZh", 3}},
    Magic{Compression::kZstd, {"\x28\xB5\x2F\xFD", 4}},
    Magic{Compression::kLz4, {"\x04\x22\x4D\x18", 4}},
    Magic{Compression::kLz4Legacy, {"\x02\x21\x4C\x18", 4}},
};

// lzma "alone": properties byte 0x5D, a power of two (or 3 * 2^n) as the dictionary's size, a length that is unknown or
// fits into memory of this century.
bool LooksLikeLzma(Bytes head) {
  if (head.size() < 13 || head[0] != std::byte{0x5D}) return false;
  const auto dictionary = LoadLe<std::uint32_t>(head.data() + 1);
  const auto length = LoadLe<std::uint64_t>(head.data() + 5);
  const bool dictionary_fits = std::has_single_bit(dictionary) || std::popcount(dictionary) == 2;
  return dictionary_fits && (length == ~std::uint64_t{0} || length < std::uint64_t{1} << 40);
}

// Each returns how many bytes it put into `out`; whatever ends the stream ends the job.

std::size_t Gunzip(Bytes in, Room out) {
  z_stream stream{};
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  constexpr int kGzipOnly = 16;
  if (inflateInit2(&stream, kGzipOnly + MAX_WBITS) != Z_OK) return 0;
  (void)inflate(&stream, Z_SYNC_FLUSH);
  inflateEnd(&stream);
  return out.size() - stream.avail_out;
}

std::size_t Bunzip2(Bytes in, Room out) {
  bz_stream stream{};
  stream.next_in = const_cast<char*>(reinterpret_cast<const char*>(in.data()));  // bzlib does not write to it
  stream.avail_in = static_cast<unsigned>(in.size());
  stream.next_out = reinterpret_cast<char*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) return 0;
  unsigned left = stream.avail_out + 1;
  while (stream.avail_out != 0 && stream.avail_out < left) {
    left = stream.avail_out;
    if (BZ2_bzDecompress(&stream) != BZ_OK) break;
  }
  BZ2_bzDecompressEnd(&stream);
  return out.size() - stream.avail_out;
}

std::size_t Unlzma(Bytes in, Room out, bool alone) {
  lzma_stream stream = LZMA_STREAM_INIT;
  const lzma_ret ready =
      alone ? lzma_alone_decoder(&stream, kMaxWindow) : lzma_stream_decoder(&stream, kMaxWindow, LZMA_CONCATENATED);
  if (ready != LZMA_OK) return 0;
  stream.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
  stream.avail_in = in.size();
  stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream.avail_out = out.size();
  while (stream.avail_in != 0 && stream.avail_out != 0) {
    if (lzma_code(&stream, LZMA_RUN) != LZMA_OK) break;
  }
  lzma_end(&stream);
  return out.size() - stream.avail_out;
}

std::size_t Unzstd(Bytes in, Room out) {
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  if (stream == nullptr) return 0;
  ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, std::countr_zero(kMaxWindow));
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  ZSTD_outBuffer target{out.data(), out.size(), 0};
  while (source.pos < source.size && target.pos < target.size) {
    if (ZSTD_isError(ZSTD_decompressStream(stream.get(), &target, &source)) != 0) break;
  }
  return target.pos;
}

std::size_t Unlz4(Bytes in, Room out) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0) return 0;
  std::size_t taken = 0;
  std::size_t made = 0;
  while (taken < in.size() && made < out.size()) {
    std::size_t source = in.size() - taken;
    std::size_t target = out.size() - made;
    const auto hint = LZ4F_decompress(context, out.data() + made, &target, in.data() + taken, &source, nullptr);
    if (LZ4F_isError(hint) != 0 || (source == 0 && target == 0)) break;
    taken += source;
    made += target;
    if (hint == 0) break;
  }
  LZ4F_freeDecompressionContext(context);
  return made;
}

// Magic number, then blocks of up to 8 MiB, each behind its compressed length. The first block is more than we want.
std::size_t Unlz4Legacy(Bytes in, Room out) {
  constexpr std::size_t kHeader = 8;
  if (in.size() <= kHeader) return 0;
  const auto length = LoadLe<std::uint32_t>(in.data() + 4);
  const auto block = in.subspan(kHeader, std::min<std::size_t>(length, in.size() - kHeader));
  const int made = LZ4_decompress_safe_partial(reinterpret_cast<const char*>(block.data()),
                                               reinterpret_cast<char*>(out.data()), static_cast<int>(block.size()),
                                               static_cast<int>(out.size()), static_cast<int>(out.size()));
  return made < 0 ? 0 : static_cast<std::size_t>(made);
}

std::size_t DecompressInto(Compression compression, Bytes in, Room out) {
  switch (compression) {
    case Compression::kGzip:
      return Gunzip(in, out);
    case Compression::kBzip2:
      return Bunzip2(in, out);
    case Compression::kXz:
      return Unlzma(in, out, false);
    case Compression::kLzma:
      return Unlzma(in, out, true);
    case Compression::kLz4:
      return Unlz4(in, out);
    case Compression::kLz4Legacy:
      return Unlz4Legacy(in, out);
    case Compression::kZstd:
      return Unzstd(in, out);
  }
  return 0;
}

}  // namespace

std::string_view CompressionName(Compression compression) noexcept {
  constexpr std::array<std::string_view, 7> kNames = {"gzip", "bzip2", "xz", "lzma", "lz4", "lz4", "zstd"};
  return kNames[static_cast<std::size_t>(compression)];
}

std::optional<Compression> FindCompression(Bytes head) noexcept {
  for (const Magic& magic : kMagics) {
    if (head.size() < magic.bytes.size()) continue;
    if (std::memcmp(head.data(), magic.bytes.data(), magic.bytes.size()) == 0) return magic.compression;
  }
  if (LooksLikeLzma(head)) return Compression::kLzma;
  return std::nullopt;
}

Result<std::vector<std::byte>> Decompress(Storage& file, std::uint64_t offset, Compression compression) {
  const std::uint64_t left = file.size() - std::min(offset, file.size());
  std::vector<std::byte> in(std::min<std::uint64_t>(left, kMaxCompressed));
  PLATTER_CHECK(file.ReadAt(offset, in));
  std::vector<std::byte> out(kMaxDecompressed);
  out.resize(DecompressInto(compression, in, out));
  return out;
}

}  // namespace platter::amazon
