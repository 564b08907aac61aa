// Zero detection: the inner loop of every sparse copy.
#pragma once

#include <cstddef>
#include <span>

namespace platter::kernels {

// The index of the first byte that is not zero, data.size() when there is none. Any alignment. Dirty data ends the scan
// at once; the best instruction set of the CPU is chosen on the first call.
std::size_t FindNonZero(std::span<const std::byte> data) noexcept;

// The plain loop that FindNonZero must agree with; for tests and benchmarks.
std::size_t FindNonZeroReference(std::span<const std::byte> data) noexcept;

inline bool IsZero(std::span<const std::byte> data) noexcept { return FindNonZero(data) == data.size(); }

}  // namespace platter::kernels
