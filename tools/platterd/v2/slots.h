// Slots: room for a few at a time, for work that others may draw out for as long as they like.
#pragma once

#include <atomic>
#include <memory>

namespace platter::platterd {

// Thread-safe.
class Slots {
 public:
  explicit Slots(unsigned count) noexcept : free_(count) {}
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  // One of them, for as long as it lives; null where none is free. Not to outlive the slots.
  struct GiveBack {
    void operator()(Slots* slots) const noexcept { ++slots->free_; }
  };
  using Slot = std::unique_ptr<Slots, GiveBack>;
  Slot Take() noexcept {
    unsigned free = free_;
    do {
      if (free == 0) return nullptr;
    } while (!free_.compare_exchange_weak(free, free - 1));
    return Slot(this);
  }

 private:
  std::atomic<unsigned> free_;
};

}  // namespace platter::platterd
