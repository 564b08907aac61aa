// MemoryBudget: bytes that many readers may hold together.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>

namespace platter {

// Thread-safe.
class MemoryBudget {
 public:
  // `whole`: of what this one is a part: what is taken counts there, too. Outlives it.
  explicit MemoryBudget(std::uint64_t bytes, MemoryBudget* whole = nullptr) noexcept : limit_(bytes), whole_(whole) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  std::uint64_t limit() const noexcept { return limit_; }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

  // False, and nothing taken, where so many are not left.
  [[nodiscard]] bool Take(std::uint64_t bytes) noexcept {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    if (whole_ == nullptr || whole_->Take(bytes)) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  // Requires: they were taken.
  void Give(std::uint64_t bytes) noexcept {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    if (whole_ != nullptr) whole_->Give(bytes);
  }

  // Bytes taken for as long as it lives. Throws std::bad_alloc where they are not left; null: nothing is counted.
  class Share {
   public:
    Share(MemoryBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {
      if (budget_ != nullptr && !budget_->Take(bytes_)) throw std::bad_alloc();
    }
    ~Share() {
      if (budget_ != nullptr) budget_->Give(bytes_);
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    MemoryBudget* budget_;
    std::uint64_t bytes_;
  };

 private:
  const std::uint64_t limit_;
  MemoryBudget* const whole_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace platter
