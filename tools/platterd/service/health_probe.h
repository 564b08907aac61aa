// HealthProbe: whether the service is well, asked on a thread of its own, so that who wants to know waits a bounded
// time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "formats/core/result.h"

namespace platter::platterd {

// Thread-safe.
class HealthProbe {
 public:
  // What is wrong: what() for everybody, the whole story for the log. May block. Throws nothing.
  using Health = std::function<Result<>()>;

  HealthProbe(Health health, std::chrono::milliseconds patience);
  // Waits for a question that is under way.
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  // The answer to a question that begins after the call; kIo where there is none within the time that was given, and at
  // once where the one under way takes longer than that already. Not null.
  std::shared_ptr<const Result<>> Ask();

 private:
  using Clock = std::chrono::steady_clock;

  void Work();
  bool IsLate() const { return begun_ != answered_ && Clock::now() - began_ >= patience_; }

  const Health health_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable told_;
  // Questions, counted.
  std::uint64_t asked_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t answered_ = 0;
  Clock::time_point began_;
  std::shared_ptr<const Result<>> answer_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace platter::platterd
