// zstd: RFC 8878, by its library.
#include <zstd.h>

#include <algorithm>
#include <array>
#include <new>

#include "formats/containers/codec/member_decoder.h"
#include "formats/containers/codec/zstd_stream.h"

namespace platter::codec {
namespace {

class ZstdDecoder final : public MemberDecoder {
 public:
  explicit ZstdDecoder(MemoryBudget* memory) : MemberDecoder(0), state_(MakeZstdStream(memory)) {}

  std::unique_ptr<Decoder> Clone() const override { return nullptr; }

 protected:
  // Frames, and frames to be skipped: section 3.1.2.
  bool CanStart(std::span<const std::byte> first) const noexcept override {
    const bool skipped = first.empty() || (first.front() & std::byte{0xF0}) == std::byte{0x50};
    return GoesWith(first, "\x28\xB5\x2F\xFD") || (skipped && GoesWith(first.subspan(1), "\x2A\x4D\x18"));
  }

  Result<> Start() override {
    ZSTD_DCtx_reset(state_.get(), ZSTD_reset_session_only);
    header_length_ = 0;
    made_ = 0;
    return Done{};
  }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer source{in.data(), in.size(), 0};
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    const std::size_t code = ZSTD_decompressStream(state_.get(), &target, &source);
    if (ZSTD_isError(code) == 0) {
      Follow(in.first(source.pos), target.pos);
      if (code == 0) PLATTER_CHECK(CheckLength());
      return Part{{source.pos, target.pos}, code == 0};
    }
    const std::string_view text = ZSTD_getErrorName(code);
    // Its codes are not stable, but for a few; their texts are.
    if (text == "Frame requires too much memory for decoding") {
      return Error(ErrorKind::kLimit, "the zstd stream asks for too large a window")
          .At("compressed stream", "window")
          .Allowed("at most 128 MiB");
    }
    if (text == "Allocation error : not enough memory") throw std::bad_alloc();
    if (text == "Restored data doesn't match checksum") {
      return StreamError(ErrorKind::kCorrupt, "the zstd stream's checksum does not fit", "checksum");
    }
    return StreamError(ErrorKind::kCorrupt, "the zstd stream is damaged", "data", text);
  }

 private:
  void Follow(std::span<const std::byte> taken, std::size_t made) {
    const std::size_t part = std::min(taken.size(), header_.size() - header_length_);
    std::copy_n(taken.begin(), part, header_.begin() + static_cast<std::ptrdiff_t>(header_length_));
    header_length_ += part;
    made_ += made;
  }

  // The library compares the two itself, but not behind an empty last block of a frame that comes in pieces.
  Result<> CheckLength() const {
    const unsigned long long length = ZSTD_getFrameContentSize(header_.data(), header_length_);
    if (length == ZSTD_CONTENTSIZE_UNKNOWN || length == made_) return Done{};
    return StreamError(ErrorKind::kCorrupt, "a zstd frame holds fewer bytes than its header says", "data");
  }

  static constexpr std::size_t kLongestHeader = 18;  // with the mark
  ZstdStream state_;
  std::array<std::byte, kLongestHeader> header_{};
  std::size_t header_length_ = 0;
  std::uint64_t made_ = 0;  // bytes of the frame's content
};

}  // namespace

std::unique_ptr<Decoder> MakeZstdDecoder(MemoryBudget* memory) { return std::make_unique<ZstdDecoder>(memory); }

}  // namespace platter::codec
