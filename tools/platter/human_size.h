// Sizes as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace platter::cli {

// "196 KiB", "1.5 GiB", "0 B": three significant digits, powers of 1024, the next unit from 1000 on.
std::string HumanSize(std::uint64_t bytes);

}  // namespace platter::cli
