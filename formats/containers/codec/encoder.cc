#include "formats/containers/codec/encoder.h"

#include <bzlib.h>
#include <fmt/format.h>
#include <isa-l/crc.h>
#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/core/deflate.h"

namespace platter::codec {
namespace {

Error Failed(std::string_view codec, long long code) {
  return Error(ErrorKind::kIo, fmt::format("{} failed with code {}", codec, code));
}

class GzipEncoder final : public Encoder {
 public:
  explicit GzipEncoder(int level) : deflater_(DeflateWrapper::kNone, kWindowBits, level) {}

  Result<> Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) override {
    // Deflate, no name, no time, made on Unix.
    constexpr std::array<unsigned char, 10> kHeader = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3};
    constexpr std::size_t kTrailer = 8;
    const std::size_t start = out.size();
    out.resize(start + kHeader.size() + DeflateBound(bytes.size()) + kTrailer);
    const auto room = std::span(out).subspan(start);
    for (std::size_t at = 0; at < kHeader.size(); ++at) room[at] = std::byte{kHeader.at(at)};
    const auto payload = room.subspan(kHeader.size(), DeflateBound(bytes.size()));
    const std::size_t length = PLATTER_TRY(deflater_.Compress(bytes, payload));
    if (length == 0) return Failed("deflate", 0);
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    StoreLe(&room[kHeader.size() + length], std::uint32_t{crc32_gzip_refl(0, data, bytes.size())});
    StoreLe(&room[kHeader.size() + length + 4], static_cast<std::uint32_t>(bytes.size()));
    out.resize(start + kHeader.size() + length + kTrailer);
    return Done{};
  }

 private:
  static constexpr std::uint16_t kWindowBits = 15;
  Deflater deflater_;
};

class Bzip2Encoder final : public Encoder {
 public:
  explicit Bzip2Encoder(int level) : level_(level) {}

  Result<> Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) override {
    const std::size_t start = out.size();
    auto length = static_cast<unsigned>(bytes.size() + bytes.size() / 100 + 600);
    out.resize(start + length);
    // The library's interface is not const-correct, and it takes no null.
    char nothing = 0;
    auto* data = bytes.empty() ? &nothing : reinterpret_cast<char*>(const_cast<std::byte*>(bytes.data()));
    const int code = BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(&out[start]), &length, data,
                                              static_cast<unsigned>(bytes.size()), level_, 0, 0);
    if (code != BZ_OK) return Failed("bzip2", code);
    out.resize(start + length);
    return Done{};
  }

 private:
  int level_;
};

class XzEncoder final : public Encoder {
 public:
  explicit XzEncoder(int level) : level_(level) {}

  Result<> Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) override {
    lzma_options_lzma options;
    if (lzma_lzma_preset(&options, static_cast<std::uint32_t>(level_))) return Failed("xz", LZMA_OPTIONS_ERROR);
    // A dictionary that is larger than the member finds no more in it: 94 MiB for each thread at level 6, 674 at 9.
    options.dict_size =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(bytes.size(), LZMA_DICT_SIZE_MIN, options.dict_size));
    std::array<lzma_filter, 2> filters = {{{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
    std::size_t at = out.size();
    out.resize(at + lzma_stream_buffer_bound(bytes.size()));
    const lzma_ret code = lzma_stream_buffer_encode(filters.data(), LZMA_CHECK_CRC64, nullptr,
                                                    reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                                    reinterpret_cast<std::uint8_t*>(out.data()), &at, out.size());
    if (code != LZMA_OK) return Failed("xz", code);
    out.resize(at);
    return Done{};
  }

 private:
  int level_;
};

class ZstdEncoder final : public Encoder {
 public:
  explicit ZstdEncoder(int level) : context_(ZSTD_createCCtx(), ZSTD_freeCCtx), level_(level) {}

  Result<> Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) override {
    if (context_ == nullptr) return Failed("zstd", 0);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level_);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    const std::size_t start = out.size();
    out.resize(start + ZSTD_compressBound(bytes.size()));
    const auto room = std::span(out).subspan(start);
    const std::size_t length = ZSTD_compress2(context_.get(), room.data(), room.size(), bytes.data(), bytes.size());
    if (ZSTD_isError(length) != 0) return Failed("zstd", -1);
    out.resize(start + length);
    return Done{};
  }

 private:
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  int level_;
};

struct Levels {
  int first;
  int last;
  int usual;
};

Levels LevelsOf(Compression compression) noexcept {
  switch (compression) {
    case Compression::kGzip:
      return {kFastestDeflate, kSmallestDeflate, kDefaultDeflate};
    case Compression::kBzip2:
      return {1, 9, 9};
    case Compression::kXz:
      return {0, 9, 6};
    case Compression::kZstd:
      return {1, 22, 3};
  }
  return {};
}

}  // namespace

Result<> CheckLevel(Compression compression, std::optional<int> level) {
  const Levels levels = LevelsOf(compression);
  if (!level || (*level >= levels.first && *level <= levels.last)) return Done{};
  return Error(ErrorKind::kInvalid, fmt::format("{} has no such compression level", CompressionName(compression)))
      .Found(std::to_string(*level))
      .Allowed(fmt::format("{} to {}", levels.first, levels.last));
}

std::unique_ptr<Encoder> MakeEncoder(Compression compression, std::optional<int> level) {
  const int chosen = level.value_or(LevelsOf(compression).usual);
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipEncoder>(chosen);
    case Compression::kBzip2:
      return std::make_unique<Bzip2Encoder>(chosen);
    case Compression::kXz:
      return std::make_unique<XzEncoder>(chosen);
    case Compression::kZstd:
      break;
  }
  return std::make_unique<ZstdEncoder>(chosen);
}

}  // namespace platter::codec
