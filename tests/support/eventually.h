// Waiting for what other threads and processes do.
#pragma once

#include <chrono>
#include <thread>

namespace platter::test {

// Asks until `condition` is true; false when it is not after a minute, however slow the machine.
template <class Condition>
[[nodiscard]] bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace platter::test
