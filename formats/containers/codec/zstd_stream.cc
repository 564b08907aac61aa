#include "formats/containers/codec/zstd_stream.h"

// For the hooks into its allocations.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <new>

#include "formats/containers/codec/allocation.h"
#include "formats/containers/codec/decoder.h"

namespace platter::codec {
namespace {

void* Allocate(void* memory, std::size_t bytes) noexcept {
  return AllocateWithin(static_cast<MemoryBudget*>(memory), bytes);
}
void Free(void* memory, void* address) noexcept { FreeWithin(static_cast<MemoryBudget*>(memory), address); }

// Its codes are not stable, but for a few; their texts are.
ZstdStream::Damage DamageOf(std::string_view text) {
  if (text == "Frame requires too much memory for decoding") return ZstdStream::Damage::kWindow;
  if (text == "Restored data doesn't match checksum") return ZstdStream::Damage::kChecksum;
  return ZstdStream::Damage::kData;
}

}  // namespace

void ZstdStream::Free::operator()(ZSTD_DCtx_s* state) const noexcept { ZSTD_freeDStream(state); }

ZstdStream::ZstdStream(MemoryBudget* memory) : state_(ZSTD_createDStream_advanced({Allocate, codec::Free, memory})) {
  if (state_ == nullptr) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(state_.get(), ZSTD_d_windowLogMax, std::countr_zero(kMostWindow));
}

ZstdStream::Part ZstdStream::Decode(std::span<const std::byte> in, std::span<std::byte> out) {
  // A frame that is all there goes another way through the library, which allows any window and looks at other things
  // first. Where its first byte comes alone, every frame goes the same way.
  if (header_length_ != 0 || in.empty()) return Step(in, out);
  const Part first = Step(in.first(1), out);
  if (first.damage != Damage::kNone || in.size() == 1) return first;
  Part rest = Step(in.subspan(1), out);
  rest.taken += first.taken;
  return rest;
}

ZstdStream::Part ZstdStream::Step(std::span<const std::byte> in, std::span<std::byte> out) {
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  ZSTD_outBuffer target{out.data(), out.size(), 0};
  const std::size_t code = ZSTD_decompressStream(state_.get(), &target, &source);
  if (ZSTD_isError(code) != 0) {
    const std::string_view text = ZSTD_getErrorName(code);
    if (text == "Allocation error : not enough memory") throw std::bad_alloc();
    return Part{.damage = DamageOf(text), .text = text};
  }
  Follow(in.first(source.pos), target.pos);
  if (code != 0) return Part{source.pos, target.pos};
  if (!IsAsLongAsItSays()) return Part{.damage = Damage::kData, .text = "fewer bytes than the frame's header says"};
  header_length_ = 0;
  made_ = 0;
  return Part{source.pos, target.pos, true};
}

void ZstdStream::Follow(std::span<const std::byte> taken, std::size_t made) {
  const std::size_t part = std::min(taken.size(), header_.size() - header_length_);
  std::copy_n(taken.begin(), part, header_.begin() + static_cast<std::ptrdiff_t>(header_length_));
  header_length_ += part;
  made_ += made;
}

// The library compares the two itself, but not behind an empty last block of a frame that comes in pieces.
bool ZstdStream::IsAsLongAsItSays() const {
  const unsigned long long length = ZSTD_getFrameContentSize(header_.data(), header_length_);
  return length == ZSTD_CONTENTSIZE_UNKNOWN || length == made_;
}

}  // namespace platter::codec
