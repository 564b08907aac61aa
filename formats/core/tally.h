// Tally: whoever counts work that a file makes for its reader, while it is done.
#pragma once

#include <cstdint>
#include <functional>

namespace platter {

// Told of bytes that have been decompressed, each time of so many more. Empty: nobody counts. Called by the thread that
// did the work; it must not read from what it counts.
using Tally = std::function<void(std::uint64_t bytes)>;

}  // namespace platter
