// Connection: the requests of one client, one after the other. For http/ alone: it drags Asio along.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/core/memory_budget.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/http/request_reader.h"
#include "tools/platterd/http/server.h"
#include "tools/platterd/http/stream.h"
#include "tools/platterd/http/turns.h"

namespace platter::http {

// Threads for calls of one kind, and how many of these wait and run.
struct Crew {
  explicit Crew(unsigned size) : threads(size) {}
  // Of whose threads nobody has more than `share`.
  Crew(unsigned size, unsigned share) : turns(std::make_unique<Turns>(share)), threads(size) {}

  const std::unique_ptr<Turns> turns;  // null: in the order in which they come
  net::thread_pool threads;
  std::atomic<std::size_t> queued{0};
  std::atomic<std::size_t> running{0};
};

// What all connections of a server share.
struct Shared {
  Service& service;
  Server::Observer observer;
  std::function<ServerLimits()> limits;
  Crew workers;    // for requests, and bodies that are soon taken
  Crew movers;     // for bytes of objects, in and out
  Crew finishers;  // for Finish of those that take long
  Crew apart;      // for requests that must not wait
  // For answers that are held while their clients read them.
  MemoryBudget answers;
  std::atomic<bool> draining{false};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  // `stream` runs on `strand`, and so must Serve.
  Connection(Shared& shared, net::any_io_executor strand, std::unique_ptr<Stream> stream);

  // Serves the client until it goes or errs.
  net::awaitable<void> Serve();
  // These two from any thread. Closes it if it is between requests; otherwise it ends with the present one's answer.
  void Drain();
  // Closes it whatever it is doing.
  void Close();
  // Closes it if it is still waiting for the client, as waiting_since() has it.
  void MakeRoom();
  // Since when it has waited for a client that has no request under way: for a handshake, a header, the rest of a
  // body or the end after an early answer. Empty where it does something else. From any thread.
  std::optional<Clock::time_point> waiting_since() const noexcept;

 private:
  // How fast the client moves bytes while we wait for it.
  struct Pace {
    Clock::duration waited{};
    std::uint64_t bytes = 0;
  };
  // The call of the service that a thread of a crew is doing.
  struct Call {
    bool running = false;
    std::optional<Response> response;
  };
  static constexpr Clock::rep kBusy = std::numeric_limits<Clock::rep>::max();
  enum class Then : std::uint8_t { kNextRequest, kLinger, kClose };
  struct Buffer {
    std::vector<std::byte> bytes;
    std::size_t used = 0;

    std::span<const std::byte> view() const noexcept { return {bytes.data(), used}; }
    std::span<std::byte> space() noexcept { return std::span(bytes).subspan(used); }
    void Drop(std::size_t count);
  };
  struct Gathered {
    std::span<const std::byte> body;
    std::size_t taken;  // bytes of the buffer that it was made of
  };

  // A file that the system sends by itself.
  struct SystemSend {
    int file;
    off_t at;
    std::uint64_t left;
    bool in_memory = true;
    std::uint64_t looked = 0;  // bytes from `at` on that are known to be in memory
    // What came of a turn.
    std::uint64_t sent = 0;
    bool full = false;         // the client has to read first
    bool over = false;         // no more can be sent
    std::string trouble = {};  // why, where that is the file
  };

  net::awaitable<void> ServeRequests();
  net::awaitable<Then> ServeRequest();
  // The header; a fault for one that is wrong, false for a client that went without a word.
  net::awaitable<std::variant<bool, Fault>> ReadHead(RequestReader& reader);
  net::awaitable<std::optional<Response>> Answered(RequestReader& reader);
  net::awaitable<std::optional<Response>> ReceiveBody(RequestReader& reader);
  // On a taker: gives the service what is there of the body. The coroutine waits meanwhile, and touches nothing.
  std::optional<Response> TakeBody(RequestReader& reader);
  // Moves what of the body is in `now_` side by side to its front.
  std::variant<Gathered, Fault> GatherBody(RequestReader& reader);
  net::awaitable<std::optional<Response>> FinishBody();
  net::awaitable<Then> Send(RequestReader* reader, Response& response);
  Then WhatFollows(const RequestReader* reader) const;
  std::string HeadOf(const Response& response, std::uint64_t length, Then then) const;
  net::awaitable<bool> SendFile(Response& response);
  net::awaitable<bool> SendBySystem(Response& response);
  // Sends until the turn is over, or the client's system takes no more. On the strand where all is in memory.
  void SendSome(SystemSend& send);
  net::awaitable<bool> WaitUntilWritable(Pace& pace);
  net::awaitable<bool> SendByReading(Response& response);
  net::awaitable<bool> WriteAll(std::span<const std::byte> bytes, Pace& pace);
  // Reads the rest of a body that nobody wants, for as long as a client may linger at most.
  net::awaitable<Then> DiscardBody(RequestReader& reader);
  net::awaitable<void> Linger();

  // Runs `work` on one of that crew; what it returns goes to call_.response. No coroutine takes such a thing: GCC 12
  // destroys twice what is made within a co_await expression (PR 98401 and kin).
  void StartCall(Crew& crew, std::function<std::optional<Response>()> work, std::string owner = {});
  // Those who feed the consumer.
  Crew& takers() const noexcept { return consumer_->takes_long() ? shared_.movers : shared_.workers; }
  net::awaitable<void> WaitForCall();
  void EndCall(std::optional<Response> response);

  // Whatever waits on the socket ends at that time with timed_out_ set.
  void SetDeadline(Clock::time_point at);
  void ClearDeadline();
  void Watch();
  void NoteWaiting(Clock::time_point since) noexcept;
  void NoteBusy() noexcept;
  static bool IsQuick(const Pace& pace) noexcept;
  // By when the client has to move a byte.
  std::optional<Clock::time_point> NextDeadline(const Pace& pace) const;
  net::awaitable<Moved> ReadPaced(std::span<std::byte> out, Pace& pace);
  void Report(unsigned status, bool broken);

  Shared& shared_;
  net::any_io_executor strand_;
  std::unique_ptr<Stream> stream_;
  net::steady_timer watch_;
  net::steady_timer call_done_;
  std::optional<Clock::time_point> deadline_;
  bool watching_ = false;
  bool timed_out_ = false;
  bool idle_ = false;
  bool has_asked_ = false;  // there was a request
  std::atomic<Clock::rep> waiting_since_ = kBusy;
  ServerLimits limits_;
  std::string remote_;
  Call call_;
  std::unique_ptr<BodyConsumer> consumer_;
  Buffer now_;
  Pace receiving_;
  // Of the present request.
  Clock::time_point began_;
  std::string id_, method_, target_;
  bool head_only_ = false;
  bool expects_continue_ = false;
  bool unreadable_ = false;  // the rest of its body cannot be told from what follows
  std::string trouble_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace platter::http
