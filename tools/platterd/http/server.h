// Server: HTTP/1.1 on a TCP port, plain or TLS, in front of a Service.
//
// Sockets are served by a few threads, which also send what is in memory of a file, and wait for nothing. The Service
// is called on others, for each connection one call at a time. Requests have workers; bytes of objects that come, or
// have to be read, as many threads of their own; the end of a body that takes long, half as many, of which an owner of
// such bodies has half: so none of these waits for another kind. Of a body that keeps coming, the thread that takes it
// reads more itself. A client that is slow, silent or wrong costs a bounded time and bounded memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/http/request_reader.h"

namespace platter::http {

// What may change while the server runs.
struct ServerLimits {
  HeadLimits head;
  // For a TLS handshake, for the first byte of a connection's first request, and for a request's header from its first
  // byte on.
  std::chrono::milliseconds head_time{20000};
  bool keep_alive = true;                            // a connection may have more than one request
  std::chrono::milliseconds keep_alive_time{75000};  // that a connection may lie idle between requests
  std::chrono::milliseconds stall_time{60000};       // without a byte that moves
  // Bodies and answers move at least at this rate (bytes a second; 0: any), counted over the time that the server waits
  // for the client, once that is over `grace_time`.
  std::uint64_t minimum_rate = 1024;
  std::chrono::milliseconds grace_time{30000};
  // In which a client that is still sending may read an early answer, or sends the rest of a short body that nobody
  // wants before its next request.
  std::chrono::milliseconds linger_time{10000};
  // At a time. Where another one comes, the one that has waited longest without a request under way is closed, if that
  // is for longer than `spare_time`; otherwise the other one waits to be accepted.
  std::size_t connections = 1024;
  std::chrono::milliseconds spare_time{1000};
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  int backlog = 4096;
  unsigned io_threads = 2;
  unsigned workers = 16;  // for requests; see above for the others
  // Bytes of answers, but for short ones, that are held together until their clients have read them. One that finds no
  // room ends with 503, unless the request was one to change something.
  std::uint64_t answer_memory = std::uint64_t{256} << 20;
  // TLS, where there is a certificate: files in PEM. `ca_file`: clients must have a certificate that it vouches for.
  std::string cert_file = {}, key_file = {}, ca_file = {};
  ServerLimits limits = {};
};

// What became of a request, once its answer is sent.
struct Exchange {
  std::string_view id, method, target, remote;  // empty where the header could not be read
  unsigned status = 0;
  std::uint64_t bytes_in = 0;   // of the body
  std::uint64_t bytes_out = 0;  // of the answer's body
  std::chrono::microseconds time{};
  bool broken = false;       // the client went away before it had all, or the object did
  std::string_view trouble;  // the answer's, or what kept its bytes from being read; "" for none
};

struct ServerLoad {
  std::size_t connections = 0;
  std::size_t queued = 0;   // calls of the Service that wait for a thread
  std::size_t running = 0;  // calls that a thread works on
};

class Server {
 public:
  // Called on the threads that must not block; many at once. Throws nothing.
  using Observer = std::function<void(const Exchange&)>;

  // Listens; kIo where the port cannot be had, kInvalid for a certificate or an address that is none. `service`
  // outlives the server.
  static Result<std::unique_ptr<Server>> Listen(const ServerOptions& options, Service& service, Observer observer);
  // Drain(0), and waits.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const noexcept;
  // Thread rule for what follows: from any thread.
  // For requests that begin from now on.
  void SetLimits(const ServerLimits& limits);
  // Accepts nothing more, closes what is idle, lets requests finish; after `bound` closes what is left, and has
  // `give_up`, where there is one, tell the service to end what it is doing. Returns when all is over; what comes later
  // does nothing.
  void Drain(std::chrono::milliseconds bound, const std::function<void()>& give_up = {});
  ServerLoad load() const noexcept;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace platter::http
