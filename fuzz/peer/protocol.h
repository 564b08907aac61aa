// What the differential harnesses and their second reader agree on.
#pragma once

#include <cstdint>

namespace platter::fuzz {

inline constexpr std::uint64_t kPeerReads = std::uint64_t{1} << 20;  // guest bytes that are compared, from 0

}  // namespace platter::fuzz
