// zstd: RFC 8878, by its library.
#include <zstd.h>

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
    return Done{};
  }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer source{in.data(), in.size(), 0};
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    const std::size_t code = ZSTD_decompressStream(state_.get(), &target, &source);
    if (ZSTD_isError(code) == 0) return Part{{source.pos, target.pos}, code == 0};
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
  ZstdStream state_;
};

}  // namespace

std::unique_ptr<Decoder> MakeZstdDecoder(MemoryBudget* memory) { return std::make_unique<ZstdDecoder>(memory); }

}  // namespace platter::codec
