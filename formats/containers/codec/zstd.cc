// zstd: RFC 8878, by its library.
#include "formats/containers/codec/member_decoder.h"
#include "formats/containers/codec/zstd_stream.h"

namespace platter::codec {
namespace {

class ZstdDecoder final : public MemberDecoder {
 public:
  explicit ZstdDecoder(MemoryBudget* memory) : MemberDecoder(0), stream_(memory) {}

  std::unique_ptr<Decoder> Clone() const override { return nullptr; }

 protected:
  // Frames, and frames to be skipped: section 3.1.2.
  bool CanStart(std::span<const std::byte> first) const noexcept override {
    const bool skipped = first.empty() || (first.front() & std::byte{0xF0}) == std::byte{0x50};
    return GoesWith(first, "\x28\xB5\x2F\xFD") || (skipped && GoesWith(first.subspan(1), "\x2A\x4D\x18"));
  }

  Result<> Start() override { return Done{}; }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    const ZstdStream::Part part = stream_.Decode(in, out);
    switch (part.damage) {
      case ZstdStream::Damage::kNone:
        break;
      case ZstdStream::Damage::kData:
        return StreamError(ErrorKind::kCorrupt, "the zstd stream is damaged", "data", part.text);
      case ZstdStream::Damage::kChecksum:
        return StreamError(ErrorKind::kCorrupt, "the zstd stream's checksum does not fit", "checksum");
      case ZstdStream::Damage::kWindow:
        return Error(ErrorKind::kLimit, "the zstd stream asks for too large a window")
            .At("compressed stream", "window")
            .Allowed("at most 128 MiB");
    }
    return Part{{part.taken, part.made}, part.ended};
  }

 private:
  ZstdStream stream_;
};

}  // namespace

std::unique_ptr<Decoder> MakeZstdDecoder(MemoryBudget* memory) { return std::make_unique<ZstdDecoder>(memory); }

}  // namespace platter::codec
