// Catalog::Pool: a bounded number of connections, and transactions on them.
#pragma once

#include <chrono>
#include <functional>

#include "registry-core/catalog/connection.h"

namespace platter::registry {

class Catalog::Pool {
 public:
  Pool(DatabaseUrl url, CatalogOptions options) : url_(std::move(url)), options_(std::move(options)) {}

  Engine engine() const noexcept { return url_.engine; }

  // Runs `work` as one transaction, again from the start where the engine says that this helps. What it returns is the
  // result; an error rolls back.
  template <class Work>
  auto Transact(Access access, const Work& work) -> decltype(work(std::declval<Connection&>())) {
    constexpr int kMostTries = 10;
    const Timed timed(options_.observe);
    for (int attempt = 1;; ++attempt) {
      Lease lease(*this, PLATTER_TRY(Begun(access)));
      auto result = work(*lease.connection);
      if (result.ok()) {
        auto committed = lease.connection->Commit();
        if (committed.ok()) {
          lease.good = true;
          return result;
        }
        result = std::move(committed).error();
      }
      const bool again = lease.connection->passing() && attempt < kMostTries;
      lease.good = lease.connection->Rollback();
      if (!again) return result;
    }
  }

 private:
  class Timed {
   public:
    explicit Timed(const std::function<void(double)>& observe) : observe_(observe) {}
    ~Timed() {
      if (observe_) observe_(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

   private:
    const std::function<void(double)>& observe_;
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };
  struct Lease {
    Lease(Pool& of, std::unique_ptr<Connection> with) : pool(of), connection(std::move(with)) {}
    ~Lease() { pool.GiveBack(good ? std::move(connection) : nullptr); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Pool& pool;
    std::unique_ptr<Connection> connection;
    bool good = false;
  };

  // A connection inside a new transaction. One that lay idle may have died with its server: it is replaced.
  Result<std::unique_ptr<Connection>> Begun(Access access);
  // A turn, and an idle connection if there is one.
  Result<std::unique_ptr<Connection>> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const DatabaseUrl url_;
  const CatalogOptions options_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  unsigned used_ = 0;
};

}  // namespace platter::registry
