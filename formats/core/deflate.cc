#include "formats/core/deflate.h"

#include <fmt/format.h>
#include <isa-l/igzip_lib.h>

#include <vector>

namespace platter {
namespace {

// Within 8 % of zlib's default size. Levels 1 and 2 are twice as fast, but with ISA-L 2.30 about one cluster in a
// thousand comes out differently with what the stream's state is and was: the same input must give the same image.
constexpr std::uint32_t kDeflateLevel = 3;

// ISA-L's interface is not const-correct.
std::uint8_t* Bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

}  // namespace

struct Deflater::State {
  isal_zstream stream{};
  std::uint16_t framing = IGZIP_DEFLATE;
  std::uint16_t window_bits = 0;
  std::vector<std::uint8_t> level_buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL3_DEFAULT);
};

Deflater::Deflater(DeflateWrapper wrapper, std::uint16_t window_bits) : state_(std::make_unique<State>()) {
  state_->framing = wrapper == DeflateWrapper::kZlib ? IGZIP_ZLIB : IGZIP_DEFLATE;
  state_->window_bits = window_bits;
}

Deflater::~Deflater() = default;
Deflater::Deflater(Deflater&&) noexcept = default;
Deflater& Deflater::operator=(Deflater&&) noexcept = default;

Result<std::size_t> Deflater::Compress(std::span<const std::byte> bytes, std::span<std::byte> out) {
  isal_zstream& stream = state_->stream;
  isal_deflate_stateless_init(&stream);
  stream.level = kDeflateLevel;
  stream.level_buf = state_->level_buffer.data();
  stream.level_buf_size = static_cast<std::uint32_t>(state_->level_buffer.size());
  stream.hist_bits = state_->window_bits;
  stream.gzip_flag = state_->framing;
  stream.end_of_stream = 1;
  stream.next_in = Bytes(bytes);
  stream.avail_in = static_cast<std::uint32_t>(bytes.size());
  stream.next_out = Bytes(out);
  stream.avail_out = static_cast<std::uint32_t>(out.size());
  const int outcome = isal_deflate_stateless(&stream);
  if (outcome == STATELESS_OVERFLOW) return std::size_t{0};
  if (outcome != COMP_OK) return Error(ErrorKind::kIo, fmt::format("deflate failed with code {}", outcome));
  return std::size_t{stream.total_out};
}

}  // namespace platter
