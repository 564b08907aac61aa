#include "formats/qcow2/deflate.h"

#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <utility>

namespace platter::qcow2 {
namespace {

// Within 8 % of zlib's default size. Levels 1 and 2 are twice as fast, but with ISA-L 2.30 about one cluster in a
// thousand comes out differently with what the stream's state is and was: the same input must give the same image.
constexpr std::uint32_t kDeflateLevel = 3;
constexpr std::uint16_t kWindowBits = 12;

// ISA-L's interface is not const-correct.
std::uint8_t* Bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

class DeflateCompressor : public ClusterCompressor {
 public:
  Result<std::size_t> Compress(std::span<const std::byte> cluster, std::span<std::byte> out) override {
    isal_deflate_stateless_init(&stream_);
    stream_.level = kDeflateLevel;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());
    stream_.hist_bits = kWindowBits;
    stream_.gzip_flag = IGZIP_DEFLATE;
    stream_.end_of_stream = 1;
    stream_.next_in = Bytes(cluster);
    stream_.avail_in = static_cast<std::uint32_t>(cluster.size());
    stream_.next_out = Bytes(out);
    stream_.avail_out = static_cast<std::uint32_t>(out.size());
    const int outcome = isal_deflate_stateless(&stream_);
    if (outcome == STATELESS_OVERFLOW) return std::size_t{0};
    if (outcome != COMP_OK) return Error(ErrorKind::kIo, fmt::format("deflate failed with code {}", outcome));
    return std::size_t{stream_.total_out};
  }

 private:
  isal_zstream stream_{};
  std::vector<std::uint8_t> level_buffer_ = std::vector<std::uint8_t>(ISAL_DEF_LVL3_DEFAULT);
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

std::unique_ptr<ClusterCompressor> CompressorPool::Take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return MakeClusterCompressor(method_);
  auto compressor = std::move(idle_.back());
  idle_.pop_back();
  return compressor;
}

void CompressorPool::Give(std::unique_ptr<ClusterCompressor> compressor) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(compressor));
}

}  // namespace platter::qcow2
