// What decompressing for a reader may take of memory, and who counts its work.
#pragma once

#include <cstdint>
#include <functional>

#include "formats/core/memory_budget.h"

namespace platter {

// Told of bytes that have been decompressed, each time of so many more. Empty: nobody counts. Called by the thread that
// did the work; it must not read from what it counts.
using Tally = std::function<void(std::uint64_t bytes)>;

struct Unpacking {
  Tally tally = {};
  // What decoders hold counts against it: where it has no more, they throw std::bad_alloc, as where the host has none.
  // Null: only the host's memory counts. Outlives whatever reads.
  MemoryBudget* memory = nullptr;
};

}  // namespace platter
