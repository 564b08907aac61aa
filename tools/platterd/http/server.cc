#include "tools/platterd/http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tools/platterd/http/connection.h"

namespace platter::http {
namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);

// Threads for requests that must not wait: those that come at the same time may share what they wait for.
constexpr unsigned kApart = 4;

// How often a full server looks for a connection to close.
constexpr std::chrono::milliseconds kFullPause{100};

Error Failure(const std::string& what, const boost::system::error_code& error) {
  return Error(ErrorKind::kIo, fmt::format("{}: {}", what, error.message()));
}

// A context for TLS 1.2 and later.
Result<std::unique_ptr<net::ssl::context>> MakeTls(const ServerOptions& options) {
  auto tls = std::make_unique<net::ssl::context>(net::ssl::context::tls_server);
  boost::system::error_code error;
  tls->set_options(net::ssl::context::default_workarounds | net::ssl::context::no_sslv2 | net::ssl::context::no_sslv3 |
                       net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 | net::ssl::context::no_compression,
                   error);
  const auto bad = [&error](std::string_view what, const std::string& file) {
    return Error(ErrorKind::kInvalid, fmt::format("{} '{}': {}", what, file, error.message()));
  };
  tls->use_certificate_chain_file(options.cert_file, error);
  if (error) return bad("cannot use the certificate", options.cert_file);
  const std::string& key = options.key_file.empty() ? options.cert_file : options.key_file;
  tls->use_private_key_file(key, net::ssl::context::pem, error);
  if (error) return bad("cannot use the private key", key);
  if (options.ca_file.empty()) return tls;
  tls->load_verify_file(options.ca_file, error);
  if (error) return bad("cannot use the certificates of authorities", options.ca_file);
  tls->set_verify_mode(net::ssl::verify_peer | net::ssl::verify_fail_if_no_peer_cert, error);
  return tls;
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, Service& service, Observer observer)
      : shared_{service,
                std::move(observer),
                [this] { return limits(); },
                Crew(std::max(options.workers, 1U)),
                Crew(std::max(options.workers, 1U)),
                Crew(std::max(options.workers / 2, 1U), std::max(options.workers / 4, 1U)),
                Crew(kApart),
                MemoryBudget(options.answer_memory)},
        limits_(options.limits),
        io_(static_cast<int>(std::max(options.io_threads, 1U))),
        accepting_(net::make_strand(io_)),
        acceptor_(accepting_),
        slot_(accepting_) {}

  Result<> Start(const ServerOptions& options) {
    if (!options.cert_file.empty()) tls_ = PLATTER_TRY(MakeTls(options));
    PLATTER_CHECK(Bind(options));
    net::co_spawn(accepting_, Accept(), [](const std::exception_ptr& /*failure*/) {});
    for (unsigned i = 0; i < std::max(options.io_threads, 1U); ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
    return Done();
  }

  std::uint16_t port() const noexcept { return port_; }

  void SetLimits(const ServerLimits& limits) {
    const std::lock_guard lock(mutex_);
    limits_ = limits;
  }

  ServerLimits limits() {
    const std::lock_guard lock(mutex_);
    return limits_;
  }

  ServerLoad load() {
    const std::lock_guard lock(mutex_);
    ServerLoad load{.connections = connections_.size()};
    for (const Crew* crew : crews()) {
      load.queued += crew->queued;
      load.running += crew->running;
    }
    return load;
  }

  void Drain(std::chrono::milliseconds bound, const std::function<void()>& give_up) {
    if (over_) return;
    over_ = true;
    shared_.draining = true;
    net::post(accepting_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      slot_.cancel();
    });
    ForEach([](Connection& connection) { connection.Drain(); });
    std::unique_lock lock(mutex_);
    const bool gone = gone_.wait_for(lock, bound, [this] { return connections_.empty() && !accept_runs_; });
    lock.unlock();
    if (!gone && give_up) give_up();
    lock.lock();
    while (!connections_.empty() || accept_runs_) {
      lock.unlock();
      ForEach([](Connection& connection) { connection.Close(); });
      lock.lock();
      gone_.wait_for(lock, std::chrono::milliseconds(100), [this] { return connections_.empty() && !accept_runs_; });
    }
    lock.unlock();
    for (Crew* crew : crews()) crew->threads.join();
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::array<Crew*, 4> crews() noexcept {
    return {&shared_.workers, &shared_.movers, &shared_.finishers, &shared_.apart};
  }

  Result<> Bind(const ServerOptions& options) {
    boost::system::error_code error;
    const auto address = net::ip::make_address(options.address, error);
    if (error) {
      return Error(ErrorKind::kInvalid, "the address to listen on is none")
          .Found(options.address)
          .Allowed("an IP address");
    }
    const Tcp::endpoint endpoint(address, options.port);
    const std::string where = fmt::format("cannot listen on {} port {}", options.address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (error) return Failure(where, error);
    acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    acceptor_.bind(endpoint, error);
    if (error) return Failure(where, error);
    acceptor_.listen(options.backlog, error);
    if (error) return Failure(where, error);
    port_ = acceptor_.local_endpoint(error).port();
    return Done();
  }

  void ForEach(const std::function<void(Connection&)>& visit) {
    std::vector<std::shared_ptr<Connection>> all;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [connection, weak] : connections_) {
        if (auto alive = weak.lock()) all.push_back(std::move(alive));
      }
    }
    for (const auto& connection : all) visit(*connection);
  }

  bool Full() {
    const std::lock_guard lock(mutex_);
    return connections_.size() >= limits_.connections;
  }

  // Closes the connection that has waited for its client longest: whoever comes next is likelier to want something.
  void MakeRoom() {
    std::shared_ptr<Connection> longest;
    {
      const std::lock_guard lock(mutex_);
      auto since = Connection::Clock::now() - limits_.spare_time;
      for (const auto& [connection, weak] : connections_) {
        const auto waiting = connection->waiting_since();
        if (!waiting || *waiting > since) continue;
        since = *waiting;
        longest = weak.lock();
      }
    }
    if (longest) longest->MakeRoom();
  }

  net::awaitable<void> Pause(std::chrono::milliseconds time) {
    slot_.expires_after(time);
    (void)co_await slot_.async_wait(kAwait);
  }

  net::awaitable<void> Accept() {
    while (!shared_.draining) {
      if (Full()) {
        (void)co_await acceptor_.async_wait(Tcp::acceptor::wait_read, kAwait);
        if (!Full() || shared_.draining) continue;
        MakeRoom();
        co_await Pause(kFullPause);
        continue;
      }
      const net::any_io_executor strand = net::make_strand(io_);
      auto [error, socket] = co_await acceptor_.async_accept(strand, kAwait);
      if (shared_.draining) break;
      if (error) {
        // Out of descriptors, as a rule: who has no request under way gives his back.
        if (error == net::error::no_descriptors || error == boost::system::errc::too_many_files_open_in_system) {
          MakeRoom();
        }
        co_await Pause(std::chrono::milliseconds(100));
        continue;
      }
      Begin(strand, std::move(socket));
    }
    const std::lock_guard lock(mutex_);
    accept_runs_ = false;
    gone_.notify_all();
  }

  void Begin(const net::any_io_executor& strand, Tcp::socket socket) {
    boost::system::error_code ignored;  // it only costs time
    socket.set_option(Tcp::no_delay(true), ignored);
    auto connection = std::make_shared<Connection>(shared_, strand, MakeStream(std::move(socket), tls_.get()));
    {
      const std::lock_guard lock(mutex_);
      connections_.emplace(connection.get(), connection);
    }
    net::co_spawn(strand, connection->Serve(),
                  [this, connection](const std::exception_ptr& /*failure*/) { End(connection.get()); });
  }

  void End(Connection* connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection);
    net::post(accepting_, [this] { slot_.cancel(); });
    gone_.notify_all();
  }

  Shared shared_;
  std::mutex mutex_;
  std::condition_variable gone_;
  ServerLimits limits_;
  std::map<Connection*, std::weak_ptr<Connection>> connections_;
  bool accept_runs_ = true;
  bool over_ = false;
  std::unique_ptr<net::ssl::context> tls_;
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_ = net::make_work_guard(io_);
  net::strand<net::io_context::executor_type> accepting_;
  Tcp::acceptor acceptor_;
  net::steady_timer slot_;
  std::vector<std::thread> threads_;
  std::uint16_t port_ = 0;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { impl_->Drain({}, {}); }

Result<std::unique_ptr<Server>> Server::Listen(const ServerOptions& options, Service& service, Observer observer) {
  auto impl = std::make_unique<Impl>(options, service, std::move(observer));
  PLATTER_CHECK(impl->Start(options));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const noexcept { return impl_->port(); }
void Server::SetLimits(const ServerLimits& limits) { impl_->SetLimits(limits); }
void Server::Drain(std::chrono::milliseconds bound, const std::function<void()>& give_up) {
  impl_->Drain(bound, give_up);
}
ServerLoad Server::load() const noexcept { return impl_->load(); }

}  // namespace platter::http
