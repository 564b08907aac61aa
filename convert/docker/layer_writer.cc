#include "convert/docker/layer_writer.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>

#include "formats/core/bytes.h"
#include "formats/core/deflate.h"

namespace platter::docker {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr int kZstdLevel = 3;

using Bytes = std::vector<std::byte>;

// RFC 1952: no name, no time, no system.
Result<Bytes> Gzip(const Bytes& piece) {
  constexpr std::uint8_t kHead[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF};
  constexpr std::size_t kTail = 8;
  constexpr std::uint16_t kWindowBits = 15;
  Bytes out(sizeof(kHead) + DeflateBound(piece.size()) + kTail);
  std::ranges::copy(std::as_bytes(std::span(kHead)), out.begin());
  Deflater deflater(DeflateWrapper::kNone, kWindowBits);
  const std::size_t length =
      PLATTER_TRY(deflater.Compress(piece, std::span(out).subspan(sizeof(kHead), DeflateBound(piece.size()))));
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(piece.size()));
  StoreLe(out.data() + sizeof(kHead) + length, static_cast<std::uint32_t>(sum));
  StoreLe(out.data() + sizeof(kHead) + length + 4, static_cast<std::uint32_t>(piece.size()));
  out.resize(sizeof(kHead) + length + kTail);
  return out;
}

Result<Bytes> Zstd(const Bytes& piece) {
  Bytes out(ZSTD_compressBound(piece.size()));
  const std::size_t length = ZSTD_compress(out.data(), out.size(), piece.data(), piece.size(), kZstdLevel);
  if (ZSTD_isError(length) != 0) {
    return Error(ErrorKind::kLimit, std::string("zstd failed: ") + ZSTD_getErrorName(length));
  }
  out.resize(length);
  return out;
}

}  // namespace

LayerWriter::LayerWriter(Storage& target, std::uint64_t offset, Compression compression, unsigned workers)
    : target_(target),
      offset_(offset),
      compression_(compression),
      workers_(std::max(workers, 1U)),
      unpacked_(DigestAlgorithm::kSha256),
      stored_(DigestAlgorithm::kSha256) {
  piece_.reserve(kPiece);
}

LayerWriter::~LayerWriter() = default;

Result<> LayerWriter::Add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPiece - piece_.size()));
    piece_.insert(piece_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (piece_.size() == kPiece) PLATTER_CHECK(Send());
  }
  return Done{};
}

Result<> LayerWriter::Send() {
  Bytes piece;
  piece.reserve(kPiece);
  std::swap(piece, piece_);
  any_ = true;
  const auto compress = [compression = compression_](Bytes whole) -> Result<Bytes> {
    if (compression == Compression::kGzip) return Gzip(whole);
    if (compression == Compression::kZstd) return Zstd(whole);
    return whole;
  };
  const bool plain = compression_ == Compression::kNone;
  unpacked_.Add(piece);
  compressing_.push_back(std::async(plain ? std::launch::deferred : std::launch::async, compress, std::move(piece)));
  if (compressing_.size() <= workers_) return Done{};
  return StoreFirst();
}

Result<> LayerWriter::StoreFirst() {
  const Bytes bytes = PLATTER_TRY(compressing_.front().get());
  compressing_.pop_front();
  stored_.Add(bytes);
  PLATTER_CHECK(target_.WriteAt(offset_ + stored_size_, bytes));
  stored_size_ += bytes.size();
  return Done{};
}

Result<NewLayer> LayerWriter::Finish() {
  if (!piece_.empty() || !any_) PLATTER_CHECK(Send());
  while (!compressing_.empty()) PLATTER_CHECK(StoreFirst());
  NewLayer layer;
  layer.diff_id = unpacked_.Finish();
  layer.digest = stored_.Finish();
  layer.size = stored_size_;
  layer.compression = compression_;
  return layer;
}

}  // namespace platter::docker
