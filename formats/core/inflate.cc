#include "formats/core/inflate.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <string>
#include <utility>

namespace platter {
namespace {

// Both libraries take pointers to plain bytes that they do not write to.
Bytef* Bytes(std::span<const std::byte> bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

bool InflateWithIsal(inflate_state& state, DeflateWrapper wrapper, std::span<const std::byte> in,
                     std::span<std::byte> out) {
  isal_inflate_init(&state);
  state.crc_flag = wrapper == DeflateWrapper::kZlib ? ISAL_ZLIB : ISAL_DEFLATE;
  state.next_in = Bytes(in);
  state.avail_in = static_cast<std::uint32_t>(in.size());
  state.next_out = Bytes(out);
  state.avail_out = static_cast<std::uint32_t>(out.size());
  return isal_inflate_stateless(&state) == ISAL_DECOMP_OK;
}

// The judge of streams that ISA-L refuses.
Result<Inflated> InflateWithZlib(DeflateWrapper wrapper, std::span<const std::byte> in, std::span<std::byte> out) {
  z_stream stream{};
  stream.next_in = Bytes(in);
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = Bytes(out);
  stream.avail_out = static_cast<uInt>(out.size());
  const int window_bits = wrapper == DeflateWrapper::kZlib ? MAX_WBITS : -MAX_WBITS;
  if (inflateInit2(&stream, window_bits) != Z_OK) return Error(ErrorKind::kLimit, "no memory to inflate a stream");
  const int status = inflate(&stream, Z_FINISH);
  const std::string reason = stream.msg == nullptr ? "damaged stream" : stream.msg;
  inflateEnd(&stream);
  if (status == Z_STREAM_END || status == Z_BUF_ERROR || status == Z_OK) {
    return Inflated{out.size() - stream.avail_out, status == Z_STREAM_END};
  }
  return Error(ErrorKind::kCorrupt, "compressed data cannot be inflated: " + reason);
}

}  // namespace

struct DeflateInflater::State {
  inflate_state isal;
};

DeflateInflater::DeflateInflater(DeflateWrapper wrapper) : wrapper_(wrapper), state_(std::make_unique<State>()) {}
DeflateInflater::~DeflateInflater() = default;
DeflateInflater::DeflateInflater(DeflateInflater&&) noexcept = default;
DeflateInflater& DeflateInflater::operator=(DeflateInflater&&) noexcept = default;

Result<Inflated> DeflateInflater::Inflate(std::span<const std::byte> in, std::span<std::byte> out) {
  if (InflateWithIsal(state_->isal, wrapper_, in, out)) return Inflated{out.size() - state_->isal.avail_out, true};
  return InflateWithZlib(wrapper_, in, out);
}

}  // namespace platter
