// The zstd library's decoder as everybody here has it: windows of up to kMostWindow, memory within a budget.
#pragma once

#include <memory>

#include "formats/core/memory_budget.h"

struct ZSTD_DCtx_s;

namespace platter::codec {

struct FreeZstdStream {
  void operator()(ZSTD_DCtx_s* stream) const noexcept;
};
using ZstdStream = std::unique_ptr<ZSTD_DCtx_s, FreeZstdStream>;

// `memory` outlives the stream; null: only the host counts. Throws std::bad_alloc.
ZstdStream MakeZstdStream(MemoryBudget* memory);

}  // namespace platter::codec
