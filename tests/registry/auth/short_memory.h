// Allocations that fail: every operator new of the program is counted.
#pragma once

#include <cstddef>

namespace platter::test {

// The nth one of this thread from now on throws; 0: none does.
void FailAllocation(std::size_t nth) noexcept;

}  // namespace platter::test
