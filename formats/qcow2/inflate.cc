#include "formats/qcow2/inflate.h"

#include <zstd.h>

#include <optional>
#include <string>
#include <utility>

#include "formats/core/deflate.h"
#include "formats/core/inflate.h"

namespace platter::qcow2 {
namespace {

Error Damaged(std::string reason) {
  return Error(ErrorKind::kCorrupt, "compressed cluster cannot be inflated: " + std::move(reason));
}

// As qemu does, it takes a stream that has filled the cluster, ended or not.
Result<> InflateDeflate(DeflateInflater& inflater, std::span<const std::byte> in, std::span<std::byte> out) {
  const Inflated made = PLATTER_TRY(inflater.Inflate(in, out));
  if (made.length != out.size()) return Damaged("the stream ends before the cluster does");
  return Done{};
}

// Frame by frame in one shot, straight into `out`: a frame's window size then costs no memory.
Result<> InflateZstd(ZSTD_DCtx* context, std::span<const std::byte> in, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::size_t frame = ZSTD_findFrameCompressedSize(in.data(), in.size());
    if (ZSTD_isError(frame) != 0U) return Damaged(ZSTD_getErrorName(frame));
    const std::size_t made = ZSTD_decompressDCtx(context, out.data(), out.size(), in.data(), frame);
    if (ZSTD_isError(made) != 0U) return Damaged(ZSTD_getErrorName(made));
    in = in.subspan(frame);
    out = out.subspan(made);
  }
  return Done{};
}

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

}  // namespace

std::optional<StreamEnd> FindStreamEnd(Compression compression, std::span<const std::byte> in,
                                       std::uint64_t cluster_size) noexcept {
  if (compression == Compression::kZlib) {
    if (!LooksDeflated(DeflateWrapper::kNone, in)) return std::nullopt;
    return StreamEnd{in.size(), false};
  }
  // The frame's own header says what it gives, and its blocks' headers where it ends.
  const std::size_t frame = ZSTD_findFrameCompressedSize(in.data(), in.size());
  if (ZSTD_isError(frame) != 0U || ZSTD_getFrameContentSize(in.data(), in.size()) != cluster_size) return std::nullopt;
  return StreamEnd{frame, true};
}

struct Inflater::State {
  Compression compression;
  std::optional<DeflateInflater> deflate;
  std::unique_ptr<ZSTD_DCtx, FreeContext> zstd;
};

Inflater::Inflater(Compression compression) : state_(std::make_unique<State>()) {
  state_->compression = compression;
  if (compression == Compression::kZlib) {
    state_->deflate.emplace(DeflateWrapper::kNone);
  } else {
    state_->zstd.reset(ZSTD_createDCtx());
  }
}

Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

Result<> Inflater::Inflate(std::span<const std::byte> in, std::span<std::byte> out) {
  if (state_->compression == Compression::kZstd) {
    if (state_->zstd == nullptr) return Error(ErrorKind::kLimit, "no memory to inflate a cluster");
    return InflateZstd(state_->zstd.get(), in, out);
  }
  return InflateDeflate(*state_->deflate, in, out);
}

}  // namespace platter::qcow2
