// IdlePool: objects that are dear to make, such as codecs with their buffers, for as many threads as come.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace platter {

// Objects that each serve one thread at a time. Thread-safe. Keeps as many as were ever in use at once.
template <class T>
class IdlePool {
 public:
  // Has an object for as long as it lives. Must not outlive the pool.
  class Lease {
   public:
    explicit Lease(IdlePool& pool) : pool_(pool), object_(pool.Take()) {}
    ~Lease() { pool_.Give(std::move(object_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_.get(); }

   private:
    IdlePool& pool_;
    std::unique_ptr<T> object_;
  };

  // `make` is called on any thread, many at once.
  explicit IdlePool(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  // An object that was given back, or a new one.
  std::unique_ptr<T> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto object = std::move(idle_.back());
        idle_.pop_back();
        return object;
      }
    }
    return make_();
  }
  void Give(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(object));
  }

 private:
  const std::function<std::unique_ptr<T>()> make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace platter
