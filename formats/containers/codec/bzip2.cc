// bzip2, by its library.
#include <bzlib.h>

#include <limits>
#include <new>

#include "formats/containers/codec/allocation.h"
#include "formats/containers/codec/member_decoder.h"
#include "formats/core/checked.h"

namespace platter::codec {
namespace {

class Bzip2Decoder final : public MemberDecoder {
 public:
  explicit Bzip2Decoder(MemoryBudget* memory) : MemberDecoder(0), memory_(memory) {}
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;
  ~Bzip2Decoder() override { Close(); }

  std::unique_ptr<Decoder> Clone() const override { return nullptr; }

 protected:
  bool CanStart(std::span<const std::byte> first) const noexcept override {
    // The last one is the size of its blocks.
    return GoesWith(first, "BZh") && (first.size() < 4 || (first[3] >= std::byte{'1'} && first[3] <= std::byte{'9'}));
  }

  Result<> Start() override {
    Close();
    stream_ = {};
    stream_.bzalloc = Allocate;
    stream_.bzfree = Free;
    stream_.opaque = memory_;
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
    open_ = true;
    return Done{};
  }

  Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) override {
    constexpr std::size_t kMost = std::numeric_limits<unsigned>::max();
    in = in.first(std::min(in.size(), kMost));
    out = out.first(std::min(out.size(), kMost));
    // The library does not write to what it reads.
    stream_.next_in = const_cast<char*>(reinterpret_cast<const char*>(in.data()));
    stream_.avail_in = static_cast<unsigned>(in.size());
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = static_cast<unsigned>(out.size());
    const int code = BZ2_bzDecompress(&stream_);
    const Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    if (code == BZ_OK) return Part{step, false};
    if (code == BZ_MEM_ERROR) throw std::bad_alloc();
    if (code != BZ_STREAM_END) {
      // Damage shows as a checksum that does not fit more often than not: the library has one code for both.
      return StreamError(ErrorKind::kCorrupt, "the bzip2 stream is damaged", "data");
    }
    Close();
    return Part{step, true};
  }

 private:
  static void* Allocate(void* memory, int items, int size) noexcept {
    const auto bytes = CheckedMultiply(static_cast<std::size_t>(items), static_cast<std::size_t>(size));
    return bytes ? AllocateWithin(static_cast<MemoryBudget*>(memory), *bytes) : nullptr;
  }
  static void Free(void* memory, void* address) noexcept { FreeWithin(static_cast<MemoryBudget*>(memory), address); }

  void Close() noexcept {
    if (open_) BZ2_bzDecompressEnd(&stream_);
    open_ = false;
  }

  MemoryBudget* memory_;
  bz_stream stream_{};
  bool open_ = false;
};

}  // namespace

std::unique_ptr<Decoder> MakeBzip2Decoder(MemoryBudget* memory) { return std::make_unique<Bzip2Decoder>(memory); }

}  // namespace platter::codec
