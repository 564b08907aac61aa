// Memory for the codec libraries' own hooks, counted against a budget.
#pragma once

#include <cstddef>

#include "formats/core/memory_budget.h"

namespace platter::codec {

// Null where the budget, or the host, has no more. Null as `budget`: only the host counts.
void* AllocateWithin(MemoryBudget* budget, std::size_t bytes) noexcept;
// Requires: `address` is null, or comes from AllocateWithin with the same budget.
void FreeWithin(MemoryBudget* budget, void* address) noexcept;

}  // namespace platter::codec
