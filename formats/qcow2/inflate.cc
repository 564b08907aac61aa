#include "formats/qcow2/inflate.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <utility>

namespace platter::qcow2 {
namespace {

// Both libraries take pointers to plain bytes that they do not write to.
Bytef* Bytes(std::span<const std::byte> bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

Error Damaged(std::string reason) {
  return Error(ErrorKind::kCorrupt, "compressed cluster cannot be inflated: " + std::move(reason));
}

bool InflateWithIsal(inflate_state& state, std::span<const std::byte> in, std::span<std::byte> out) {
  isal_inflate_init(&state);
  state.crc_flag = ISAL_DEFLATE;
  state.next_in = Bytes(in);
  state.avail_in = static_cast<std::uint32_t>(in.size());
  state.next_out = Bytes(out);
  state.avail_out = static_cast<std::uint32_t>(out.size());
  return isal_inflate_stateless(&state) == ISAL_DECOMP_OK && state.avail_out == 0;
}

// The judge of streams that ISA-L refuses: as qemu does, it takes a stream that has filled the cluster, ended or not.
Result<> InflateWithZlib(std::span<const std::byte> in, std::span<std::byte> out) {
  z_stream stream{};
  stream.next_in = Bytes(in);
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = Bytes(out);
  stream.avail_out = static_cast<uInt>(out.size());
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return Error(ErrorKind::kLimit, "no memory to inflate a cluster");
  const int status = inflate(&stream, Z_FINISH);
  const std::string reason = stream.msg == nullptr ? "the stream ends before the cluster does" : stream.msg;
  inflateEnd(&stream);
  const bool sound = status == Z_STREAM_END || status == Z_BUF_ERROR || status == Z_OK;
  if (!sound || stream.avail_out != 0) return Damaged(reason);
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

struct Inflater::State {
  Compression compression;
  std::unique_ptr<inflate_state> isal;
  std::unique_ptr<ZSTD_DCtx, FreeContext> zstd;
};

Inflater::Inflater(Compression compression) : state_(std::make_unique<State>()) {
  state_->compression = compression;
  if (compression == Compression::kZlib) {
    state_->isal = std::make_unique<inflate_state>();
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
  if (InflateWithIsal(*state_->isal, in, out)) return Done{};
  return InflateWithZlib(in, out);
}

}  // namespace platter::qcow2
