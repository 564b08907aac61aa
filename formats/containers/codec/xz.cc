// xz: the .xz file format 1.1, by liblzma.
#include <lzma.h>

#include <new>

#include "formats/containers/codec/allocation.h"
#include "formats/containers/codec/member_decoder.h"
#include "formats/core/checked.h"

namespace platter::codec {
namespace {

// What liblzma holds besides the dictionary.
constexpr std::uint64_t kOnTop = std::uint64_t{1} << 20;

class XzDecoder final : public MemberDecoder {
 public:
  // Stream padding: section 2.2.
  explicit XzDecoder(MemoryBudget* memory) : MemberDecoder(4), allocator_{Allocate, Free, memory} {
    stream_.allocator = &allocator_;
  }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;
  ~XzDecoder() override { lzma_end(&stream_); }

  std::unique_ptr<Decoder> Clone() const override { return nullptr; }

 protected:
  bool CanStart(std::span<const std::byte> first) const noexcept override {
    return GoesWith(first, {"\xFD"
                            "7zXZ\0",
                            kMark});
  }

  Result<> Start() override {
    // A check that the library does not know would go unchecked.
    const lzma_ret ready = lzma_stream_decoder(&stream_, kMostWindow + kOnTop, LZMA_TELL_UNSUPPORTED_CHECK);
    if (ready == LZMA_OK) return Done{};
    throw std::bad_alloc();
  }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = lzma_code(&stream_, LZMA_RUN);
    const Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    switch (code) {
      case LZMA_OK:
      case LZMA_BUF_ERROR:  // nothing moved: more input is wanted
        return Part{step, false};
      case LZMA_STREAM_END:
        return Part{step, true};
      case LZMA_MEMLIMIT_ERROR:
        return Error(ErrorKind::kLimit, "the xz stream asks for too large a dictionary")
            .At("compressed stream", "window")
            .Found(lzma_memusage(&stream_))
            .Allowed("at most 128 MiB");
      case LZMA_UNSUPPORTED_CHECK:
        return StreamError(ErrorKind::kUnsupported, "the xz stream has a check that is not known", "checksum");
      case LZMA_OPTIONS_ERROR:
        return StreamError(ErrorKind::kUnsupported, "the xz stream has a filter that is not known", "data");
      case LZMA_MEM_ERROR:
        throw std::bad_alloc();
      default:
        return StreamError(ErrorKind::kCorrupt, "the xz stream is damaged, or a checksum does not fit", "data");
    }
  }

 private:
  static void* Allocate(void* memory, std::size_t items, std::size_t size) noexcept {
    const auto bytes = CheckedMultiply(items, size);
    return bytes ? AllocateWithin(static_cast<MemoryBudget*>(memory), *bytes) : nullptr;
  }
  static void Free(void* memory, void* address) noexcept { FreeWithin(static_cast<MemoryBudget*>(memory), address); }

  lzma_allocator allocator_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

std::unique_ptr<Decoder> MakeXzDecoder(MemoryBudget* memory) { return std::make_unique<XzDecoder>(memory); }

}  // namespace platter::codec
