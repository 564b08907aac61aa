#include "tools/platterd/service/health_probe.h"

#include <utility>

namespace platter::platterd {

HealthProbe::HealthProbe(Health health, std::chrono::milliseconds patience)
    : health_(std::move(health)), patience_(patience), thread_([this] { Work(); }) {}

HealthProbe::~HealthProbe() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::shared_ptr<const Result<>> HealthProbe::Ask() {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++asked_;
  wake_.notify_one();
  if (!IsLate() && told_.wait_for(lock, patience_, [&] { return answered_ >= mine; })) return answer_;
  return std::make_shared<const Result<>>(Error(ErrorKind::kIo, "the service does not answer in time"));
}

void HealthProbe::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || asked_ != answered_; });
    if (stopping_) return;
    begun_ = asked_;
    began_ = Clock::now();
    lock.unlock();
    auto answer = std::make_shared<const Result<>>(health_());
    lock.lock();
    answer_ = std::move(answer);
    answered_ = begun_;
    told_.notify_all();
  }
}

}  // namespace platter::platterd
