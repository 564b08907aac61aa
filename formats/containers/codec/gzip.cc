// gzip: RFC 1952.
#include <isa-l/igzip_lib.h>

#include <limits>

#include "formats/containers/codec/member_decoder.h"

namespace platter::codec {
namespace {

class GzipDecoder final : public MemberDecoder {
 public:
  // Tapes and some tools fill up with zeros, and gzip passes over them.
  GzipDecoder() : MemberDecoder(1), state_(std::make_unique<inflate_state>()) {}
  GzipDecoder(const GzipDecoder& other)
      : MemberDecoder(other), state_(std::make_unique<inflate_state>(*other.state_)) {}
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  // The state is plain data, and points to nothing but what each call hands in.
  std::unique_ptr<Decoder> Clone() const override { return std::make_unique<GzipDecoder>(*this); }

 protected:
  bool CanStart(std::span<const std::byte> first) const noexcept override { return GoesWith(first, "\x1F\x8B\x08"); }

  Result<> Start() override {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
    return Done{};
  }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
    in = in.first(std::min(in.size(), kMost));
    out = out.first(std::min(out.size(), kMost));
    // The library does not write to what it reads.
    state_->next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(in.data()));
    state_->avail_in = static_cast<std::uint32_t>(in.size());
    state_->next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_->avail_out = static_cast<std::uint32_t>(out.size());
    const int code = isal_inflate(state_.get());
    if (code == ISAL_INCORRECT_CHECKSUM) {
      return StreamError(ErrorKind::kCorrupt, "a checksum or a length of the gzip stream does not fit", "checksum");
    }
    if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) {
      return StreamError(ErrorKind::kCorrupt, "the gzip stream is damaged", "data");
    }
    return Part{{in.size() - state_->avail_in, out.size() - state_->avail_out},
                state_->block_state == ISAL_BLOCK_FINISH};
  }

 private:
  std::unique_ptr<inflate_state> state_;
};

}  // namespace

// Its state has one size, which is no window that somebody asks for.
std::unique_ptr<Decoder> MakeGzipDecoder(MemoryBudget*) { return std::make_unique<GzipDecoder>(); }

}  // namespace platter::codec
