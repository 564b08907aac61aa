#include "formats/core/deflate.h"

#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <vector>

namespace platter {
namespace {

// ISA-L 2.30's levels 1 and 2 give other bytes for the same input now and then, even from a cleared state (once in some
// hundred clusters of 512 bytes under AddressSanitizer): its level 3 stands for them.
constexpr int kLastOfIsal = 3;

// Neither library's interface is const-correct.
std::uint8_t* Bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

}  // namespace

// One stream after another with the same settings.
struct Deflater::State {
  State() = default;
  virtual ~State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  virtual Result<std::size_t> Compress(std::span<const std::byte> bytes, std::span<std::byte> out) = 0;

  class Isal;
  class Zlib;
};

class Deflater::State::Isal : public State {
 public:
  Isal(DeflateWrapper wrapper, std::uint16_t window_bits)
      : framing_(wrapper == DeflateWrapper::kZlib ? IGZIP_ZLIB : IGZIP_DEFLATE),
        window_bits_(window_bits),
        level_buffer_(ISAL_DEF_LVL3_DEFAULT) {}

  Result<std::size_t> Compress(std::span<const std::byte> bytes, std::span<std::byte> out) override {
    isal_deflate_stateless_init(&stream_);
    stream_.level = kLastOfIsal;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());
    stream_.hist_bits = window_bits_;
    stream_.gzip_flag = framing_;
    stream_.end_of_stream = 1;
    stream_.next_in = Bytes(bytes);
    stream_.avail_in = static_cast<std::uint32_t>(bytes.size());
    stream_.next_out = Bytes(out);
    stream_.avail_out = static_cast<std::uint32_t>(out.size());
    const int outcome = isal_deflate_stateless(&stream_);
    if (outcome == STATELESS_OVERFLOW) return std::size_t{0};
    if (outcome != COMP_OK) return Error(ErrorKind::kIo, fmt::format("deflate failed with code {}", outcome));
    return std::size_t{stream_.total_out};
  }

 private:
  isal_zstream stream_{};
  std::uint16_t framing_;
  std::uint16_t window_bits_;
  std::vector<std::uint8_t> level_buffer_;
};

class Deflater::State::Zlib : public State {
 public:
  Zlib(DeflateWrapper wrapper, std::uint16_t window_bits, int level) {
    constexpr int kMostMemory = 9;
    const int bits = wrapper == DeflateWrapper::kZlib ? window_bits : -int{window_bits};
    ready_ = deflateInit2(&stream_, level, Z_DEFLATED, bits, kMostMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Zlib() override {
    if (ready_) deflateEnd(&stream_);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

  Result<std::size_t> Compress(std::span<const std::byte> bytes, std::span<std::byte> out) override {
    if (!ready_ || deflateReset(&stream_) != Z_OK) return Error(ErrorKind::kLimit, "no memory to compress");
    stream_.next_in = Bytes(bytes);
    stream_.avail_in = static_cast<uInt>(bytes.size());
    stream_.next_out = Bytes(out);
    stream_.avail_out = static_cast<uInt>(out.size());
    const int outcome = deflate(&stream_, Z_FINISH);
    if (outcome == Z_STREAM_END) return std::size_t{stream_.total_out};
    if (outcome == Z_OK || outcome == Z_BUF_ERROR) return std::size_t{0};
    return Error(ErrorKind::kIo, fmt::format("deflate failed with code {}", outcome));
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

Deflater::Deflater(DeflateWrapper wrapper, std::uint16_t window_bits, int level) {
  if (level <= kLastOfIsal) {
    state_ = std::make_unique<State::Isal>(wrapper, window_bits);
  } else {
    state_ = std::make_unique<State::Zlib>(wrapper, window_bits, level);
  }
}

Deflater::~Deflater() = default;
Deflater::Deflater(Deflater&&) noexcept = default;
Deflater& Deflater::operator=(Deflater&&) noexcept = default;

Result<std::size_t> Deflater::Compress(std::span<const std::byte> bytes, std::span<std::byte> out) {
  return state_->Compress(bytes, out);
}

bool LooksDeflated(DeflateWrapper wrapper, std::span<const std::byte> stream) noexcept {
  constexpr unsigned kReservedBlock = 3;
  constexpr std::size_t kZlibHeader = 2;
  if (wrapper == DeflateWrapper::kZlib) {
    if (stream.size() <= kZlibHeader) return false;
    const auto method = std::to_integer<unsigned>(stream[0]);
    const auto flags = std::to_integer<unsigned>(stream[1]);
    constexpr unsigned kDictionary = 0x20;
    if ((method & 0xF) != Z_DEFLATED || (method << 8 | flags) % 31 != 0 || (flags & kDictionary) != 0) return false;
    stream = stream.subspan(kZlibHeader);
  }
  return !stream.empty() && (std::to_integer<unsigned>(stream[0]) >> 1 & 3) != kReservedBlock;
}

}  // namespace platter
