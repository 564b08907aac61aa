#include "registry-core/catalog/pool.h"

namespace platter::registry {

Result<std::unique_ptr<Connection>> Catalog::Pool::Take() {
  std::unique_lock lock(mutex_);
  if (!freed_.wait_for(lock, std::chrono::seconds(options_.wait_seconds),
                       [this] { return used_ < std::max(options_.connections, 1U); }))
    return Error(ErrorKind::kIo, "all connections to the database are busy, and stay so");
  ++used_;
  std::unique_ptr<Connection> connection;
  if (!idle_.empty()) {
    connection = std::move(idle_.back());
    idle_.pop_back();
  }
  return connection;
}

void Catalog::Pool::GiveBack(std::unique_ptr<Connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    --used_;
    if (connection) idle_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

Result<std::unique_ptr<Connection>> Catalog::Pool::Begun(Access access) {
  std::unique_ptr<Connection> connection = PLATTER_TRY(Take());
  if (connection && connection->Begin(access).ok()) return connection;
  connection.reset();
  auto fresh = Connection::Open(url_, options_.connect_seconds, options_.wait_seconds, options_.statement_seconds);
  Result<> begun = fresh.ok() ? fresh.value()->Begin(access) : Result<>(Done{});
  if (fresh.ok() && begun.ok()) return fresh;
  GiveBack(nullptr);
  if (!fresh.ok()) return fresh;
  return std::move(begun).error();
}

}  // namespace platter::registry
