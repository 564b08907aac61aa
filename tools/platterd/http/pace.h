// How long a client may take.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace platter::http {

// So long may we have waited for so many bytes at `rate` bytes a second: a year at most, which every clock can add.
// Requires: a rate.
inline std::chrono::milliseconds EarnedTime(std::uint64_t bytes, std::uint64_t rate) noexcept {
  constexpr std::chrono::milliseconds kYear = std::chrono::hours(24 * 365);
  const std::uint64_t time = std::min(bytes, UINT64_MAX / 1000) * 1000 / rate;
  return std::min<std::uint64_t>(time, kYear.count()) * std::chrono::milliseconds(1);
}

}  // namespace platter::http
