#include "formats/qcow2/deflate.h"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "formats/qcow2/noise.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint16_t kWindowBits = 12;
// Up to this level time counts for more than the last bytes: what looks like noise is not tried.
constexpr int kLastFastDeflate = 3;
constexpr int kFastestZstd = 1;
constexpr int kSmallestZstd = 22;

class DeflateCompressor : public ClusterCompressor {
 public:
  explicit DeflateCompressor(int level)
      : fast_(level <= kLastFastDeflate), deflater_(DeflateWrapper::kNone, kWindowBits, level) {}

  Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    if (fast_ && out.size() < cluster.size() && LooksLikeNoise(cluster)) return std::size_t{0};
    return deflater_.Compress(cluster, out);
  }

 private:
  bool fast_;
  Deflater deflater_;
};

class ZstdCompressor : public ClusterCompressor {
 public:
  explicit ZstdCompressor(int level) : level_(level) {}

  Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    if (context_ == nullptr) return Error(ErrorKind::kIo, "no memory for zstd");
    const std::size_t size =
        ZSTD_compressCCtx(context_.get(), out.data(), out.size(), cluster.data(), cluster.size(), level_);
    if (!ZSTD_isError(size)) return size;
    if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall) return std::size_t{0};
    return Error(ErrorKind::kIo, fmt::format("zstd failed: {}", ZSTD_getErrorName(size)));
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  };
  int level_;
  std::unique_ptr<ZSTD_CCtx, Free> context_{ZSTD_createCCtx()};
};

}  // namespace

Result<> CheckCompressionLevel(Compression method, std::optional<int> level) {
  const bool zstd = method == Compression::kZstd;
  const int fastest = zstd ? kFastestZstd : kFastestDeflate;
  const int smallest = zstd ? kSmallestZstd : kSmallestDeflate;
  if (!level || (*level >= fastest && *level <= smallest)) return Done{};
  return Error(ErrorKind::kInvalid, fmt::format("{} has no such compression level", zstd ? "zstd" : "zlib"))
      .Found(fmt::format("{}", *level))
      .Allowed(fmt::format("{} to {}", fastest, smallest));
}

std::unique_ptr<ClusterCompressor> MakeClusterCompressor(Compression method, std::optional<int> level) {
  if (method == Compression::kZstd) return std::make_unique<ZstdCompressor>(level.value_or(kFastestZstd));
  return std::make_unique<DeflateCompressor>(level.value_or(kDefaultDeflate));
}

}  // namespace platter::qcow2
