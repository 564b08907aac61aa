#include "formats/qcow2/deflate.h"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

namespace platter::qcow2 {
namespace {

constexpr std::uint16_t kWindowBits = 12;

class DeflateCompressor : public ClusterCompressor {
 public:
  Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    return deflater_.Compress(cluster, out);
  }

 private:
  Deflater deflater_{DeflateWrapper::kNone, kWindowBits};
};

class ZstdCompressor : public ClusterCompressor {
 public:
  Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    if (context_ == nullptr) return Error(ErrorKind::kIo, "no memory for zstd");
    const std::size_t size =
        ZSTD_compressCCtx(context_.get(), out.data(), out.size(), cluster.data(), cluster.size(), ZSTD_CLEVEL_DEFAULT);
    if (!ZSTD_isError(size)) return size;
    if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall) return std::size_t{0};
    return Error(ErrorKind::kIo, fmt::format("zstd failed: {}", ZSTD_getErrorName(size)));
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context_{ZSTD_createCCtx()};
};

}  // namespace

std::unique_ptr<ClusterCompressor> MakeClusterCompressor(Compression method) {
  if (method == Compression::kZstd) return std::make_unique<ZstdCompressor>();
  return std::make_unique<DeflateCompressor>();
}

}  // namespace platter::qcow2
