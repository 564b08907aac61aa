// Keeps the copy's data below a number of bytes per second.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

namespace platter::copy {

// Thread-safe.
class RateLimit {
 public:
  // 0: no limit.
  explicit RateLimit(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // Returns when `bytes` more may pass, or soon after `give_up` turns true.
  void Admit(std::uint64_t bytes, const std::function<bool()>& give_up);

 private:
  using Clock = std::chrono::steady_clock;

  std::uint64_t bytes_per_second_;
  std::mutex mutex_;
  Clock::time_point next_{};  // when the next bytes may pass
};

}  // namespace platter::copy
