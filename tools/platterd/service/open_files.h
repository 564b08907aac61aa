// How many files, and sockets, the process may have open.
#pragma once

#include <cstddef>
#include <cstdint>

namespace platter::platterd {

// Raises the process's limit as far as it may by itself. What it is then; 0 where there is none.
std::uint64_t RaiseOpenFiles() noexcept;

// How many of `wanted` connections there may be under that limit (0: none), so that each may have a file, and the
// database its own. At least one.
std::size_t ConnectionsWithin(std::uint64_t open_files, std::size_t wanted) noexcept;

}  // namespace platter::platterd
