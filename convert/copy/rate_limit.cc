#include "convert/copy/rate_limit.h"

#include <algorithm>
#include <thread>

namespace platter::copy {
namespace {

constexpr std::chrono::milliseconds kLongestSleep{50};

}  // namespace

void RateLimit::Admit(std::uint64_t bytes, const std::function<bool()>& give_up) {
  if (bytes_per_second_ == 0) return;
  Clock::time_point mine;
  {
    const std::lock_guard lock(mutex_);
    mine = std::max(next_, Clock::now());
    const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
    next_ = mine + std::chrono::duration_cast<Clock::duration>(cost);
  }
  for (auto now = Clock::now(); now < mine && !give_up(); now = Clock::now()) {
    std::this_thread::sleep_for(std::min<Clock::duration>(mine - now, kLongestSleep));
  }
}

}  // namespace platter::copy
