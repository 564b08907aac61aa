#include "formats/containers/codec/zstd_stream.h"

// For the hooks into its allocations.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

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

}  // namespace

void FreeZstdStream::operator()(ZSTD_DCtx_s* stream) const noexcept { ZSTD_freeDStream(stream); }

ZstdStream MakeZstdStream(MemoryBudget* memory) {
  ZstdStream stream(ZSTD_createDStream_advanced({Allocate, Free, memory}));
  if (stream == nullptr) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, std::countr_zero(kMostWindow));
  return stream;
}

}  // namespace platter::codec
