#include "tools/platterd/http/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "registry-core/model/image_record.h"
#include "tools/platterd/http/pace.h"

namespace platter::http {
namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);
constexpr std::size_t kBodyBuffer = 256 * 1024;
// Bytes of a body after which a thread lets go of it, at the latest.
constexpr std::uint64_t kTurn = 8 << 20;
// A client that has sent so many bytes, at such a rate, is worth a thread's waiting a moment for what comes next: less
// than it takes to be told of it by other threads.
constexpr std::uint64_t kQuickBytes = 1 << 20;
constexpr std::uint64_t kQuickRate = 64 << 20;  // bytes a second
constexpr std::chrono::milliseconds kMoment{1};
// A rest of a body that is rather read and thrown away than the connection closed.
constexpr std::uint64_t kDiscardable = 64 * 1024;

// A body that is not worth counting.
constexpr std::size_t kUncountedBody = 64 * 1024;

// A body that is copied behind its head, so that both are sent at once.
constexpr std::size_t kShortBody = 16 * 1024;

std::string RemoteOf(const Tcp::socket& socket) {
  boost::system::error_code error;
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  const std::string address = peer.address().to_string();
  return fmt::format(fmt::runtime(peer.address().is_v6() ? "[{}]:{}" : "{}:{}"), address, peer.port());
}

std::string BaseOf(const Request& request, bool encrypted, const Tcp::socket& socket) {
  std::string host(request.headers.Find("Host").value_or(""));
  if (host.empty()) {
    boost::system::error_code ignored;
    const Tcp::endpoint here = socket.local_endpoint(ignored);
    host = fmt::format(fmt::runtime(here.address().is_v6() ? "[{}]:{}" : "{}:{}"), here.address().to_string(),
                       here.port());
  }
  return (encrypted ? "https://" : "http://") + host;
}

// A value may not end its line: what a header must not hold becomes a space.
std::string OnOneLine(std::string value) {
  std::replace_if(
      value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return value;
}

// What an answer takes of the memory for all of them, for as long as it is sent.
class Held {
 public:
  Held(MemoryBudget& budget, std::size_t bytes)
      : budget_(budget), bytes_(bytes > kUncountedBody && budget.Take(bytes) ? bytes : 0) {}
  ~Held() { budget_.Give(bytes_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  MemoryBudget& budget_;
  const std::uint64_t bytes_;
};

Response NoRoomForAnswer() {
  Response response = ErrorPage(503, "Too many long answers are being read. Please try again later.");
  response.headers.Add("Retry-After", "10");
  response.trouble = "clients that read slowly leave no room for the answer";
  return response;
}

bool HasNoBody(unsigned status) { return status == 204 || status == 304; }

}  // namespace

void Connection::Buffer::Drop(std::size_t count) {
  std::memmove(bytes.data(), bytes.data() + count, used - count);
  used -= count;
}

Connection::Connection(Shared& shared, net::any_io_executor strand, std::unique_ptr<Stream> stream)
    : shared_(shared), strand_(std::move(strand)), stream_(std::move(stream)), watch_(strand_), call_done_(strand_) {}

net::awaitable<void> Connection::Serve() {
  limits_ = shared_.limits();
  remote_ = RemoteOf(stream_->socket());
  const Clock::time_point now = Clock::now();
  NoteWaiting(now);
  SetDeadline(now + limits_.head_time);
  const auto error = co_await stream_->Handshake();
  ClearDeadline();
  if (!error) co_await ServeRequests();
  ClearDeadline();
  boost::system::error_code ignored;  // it goes whatever the system says
  stream_->socket().close(ignored);
}

net::awaitable<void> Connection::ServeRequests() {
  Then then = Then::kNextRequest;
  while (then == Then::kNextRequest) {
    then = co_await ServeRequest();
    // What takes a body lets go of it on such a thread, too: that may take as long as all else it does.
    if (consumer_) {
      StartCall(takers(), [this]() -> std::optional<Response> {
        consumer_.reset();
        return std::nullopt;
      });
      co_await WaitForCall();
    }
  }
  if (then == Then::kLinger) co_await Linger();
}

net::awaitable<Connection::Then> Connection::ServeRequest() {
  limits_ = shared_.limits();
  id_ = "req-" + registry::NewIdentifier();
  method_.clear();
  target_.clear();
  trouble_.clear();
  head_only_ = expects_continue_ = unreadable_ = false;
  bytes_in_ = bytes_out_ = 0;
  if (now_.bytes.size() != limits_.head.bytes && now_.used <= limits_.head.bytes) {
    now_.bytes.resize(limits_.head.bytes);
    now_.bytes.shrink_to_fit();
  }
  RequestReader reader(limits_.head);
  std::variant<bool, Fault> head = co_await ReadHead(reader);
  if (auto* fault = std::get_if<Fault>(&head)) {
    NoteBusy();
    Response page = ErrorPage(fault->status, fault->explanation);
    co_return co_await Send(nullptr, page);
  }
  if (!std::get<bool>(head)) co_return Then::kClose;
  std::optional<Response> response = co_await Answered(reader);
  if (!response) {
    Report(0, true);
    co_return Then::kClose;
  }
  const Then then = co_await Send(&reader, *response);
  response.reset();
  if (then != Then::kNextRequest || reader.done()) co_return then;
  co_return co_await DiscardBody(reader);
}

net::awaitable<std::variant<bool, Fault>> Connection::ReadHead(RequestReader& reader) {
  began_ = Clock::now();
  bool begun = now_.used > 0;
  NoteWaiting(began_);
  while (true) {
    while (now_.used > 0) {
      RequestReader::Step step = reader.Read(now_.view());
      now_.Drop(step.consumed);
      if (step.fault) co_return std::move(*step.fault);
      if (reader.head_done()) {
        has_asked_ = true;
        NoteBusy();
        co_return true;
      }
      if (step.consumed == 0) break;
    }
    if (!begun && shared_.draining) co_return false;
    idle_ = !begun;
    // Who has asked before may take his time; who has not has come to ask.
    const Clock::time_point end = began_ + (begun || !has_asked_ ? limits_.head_time : limits_.keep_alive_time);
    SetDeadline(end);
    const Moved moved = co_await stream_->ReadSome(now_.space());
    // Where bytes are always there, nobody waits until the deadline.
    const bool late = begun && (timed_out_ || Clock::now() >= end);
    ClearDeadline();
    idle_ = false;
    if (late) co_return Fault{408, "The request's header took too long."};
    if (moved.bytes == 0) co_return false;
    if (!begun) began_ = Clock::now();
    begun = true;
    now_.used += moved.bytes;
  }
}

net::awaitable<std::optional<Response>> Connection::Answered(RequestReader& reader) {
  expects_continue_ = reader.expects_continue() && !reader.old_version();
  auto request = std::make_shared<Request>(reader.TakeRequest());
  request->id = id_;
  request->remote = remote_;
  request->base = BaseOf(*request, stream_->encrypted(), stream_->socket());
  method_ = request->method;
  target_ = request->target;
  head_only_ = method_ == "HEAD";
  if (!expects_continue_ && !reader.old_version() && request->headers.Find("Expect")) {
    co_return ErrorPage(417, "The server meets no expectation but 100-continue.");
  }
  Crew& crew = shared_.service.IsApart(*request) ? shared_.apart : shared_.workers;
  StartCall(crew, [this, request]() -> std::optional<Response> {
    Answer answer = shared_.service.Begin(std::move(*request));
    if (auto* response = std::get_if<Response>(&answer)) return std::move(*response);
    consumer_ = std::move(std::get<std::unique_ptr<BodyConsumer>>(answer));
    return std::nullopt;
  });
  co_await WaitForCall();
  if (call_.response) co_return std::move(call_.response);
  if (reader.done()) co_return co_await FinishBody();
  co_return co_await ReceiveBody(reader);
}

net::awaitable<std::optional<Response>> Connection::FinishBody() {
  Crew& crew = consumer_->takes_long() ? shared_.finishers : shared_.workers;
  StartCall(
      crew, [this]() -> std::optional<Response> { return consumer_->Finish(); }, consumer_->owner());
  co_await WaitForCall();
  co_return std::move(call_.response);
}

net::awaitable<std::optional<Response>> Connection::ReceiveBody(RequestReader& reader) {
  receiving_ = {};
  if (expects_continue_ && now_.used == 0) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    Pace pace;
    if (!co_await WriteAll(std::as_bytes(std::span(kContinue)), pace)) co_return std::nullopt;
  }
  expects_continue_ = false;
  const std::uint64_t wanted = reader.remaining().value_or(kBodyBuffer);
  const auto size = static_cast<std::size_t>(std::clamp<std::uint64_t>(wanted, limits_.head.bytes, kBodyBuffer));
  now_.bytes.resize(std::max(size, now_.bytes.size()));
  while (true) {
    if (now_.used > 0) {
      StartCall(takers(), [this, &reader] { return TakeBody(reader); });
      co_await WaitForCall();
      if (call_.response) co_return std::move(call_.response);
      if (reader.done()) co_return co_await FinishBody();
    }
    const Moved moved = co_await ReadPaced(now_.space(), receiving_);
    const bool late = timed_out_;
    now_.used += moved.bytes;
    unreadable_ = moved.bytes == 0;
    if (unreadable_ && late) co_return ErrorPage(408, "The request's body comes too slowly.");
    if (unreadable_) co_return ErrorPage(400, "The request's body ended early.");
  }
}

// A thread goes on while more is there and nobody waits for one of its crew: to be called for each piece takes longer
// than many a piece does.
std::optional<Response> Connection::TakeBody(RequestReader& reader) {
  const Crew& crew = takers();
  std::uint64_t fed = 0;
  while (true) {
    const auto gathered = GatherBody(reader);
    if (const auto* fault = std::get_if<Fault>(&gathered)) {
      unreadable_ = true;
      return ErrorPage(fault->status, fault->explanation);
    }
    const auto [body, taken] = std::get<Gathered>(gathered);
    std::optional<Response> response;
    if (!body.empty()) response = consumer_->Feed(body);
    now_.Drop(taken);
    fed += body.size();
    if (response || reader.done() || fed >= kTurn || crew.queued != 0) return response;
    std::size_t more = stream_->ReadNow(now_.space());
    if (more == 0 && IsQuick(receiving_)) {
      const auto before = Clock::now();
      if (stream_->WaitUntilReadable(kMoment)) more = stream_->ReadNow(now_.space());
      receiving_.waited += Clock::now() - before;
    }
    if (more == 0) return std::nullopt;
    now_.used += more;
    receiving_.bytes += more;
  }
}

std::variant<Connection::Gathered, Fault> Connection::GatherBody(RequestReader& reader) {
  std::size_t taken = 0;
  std::size_t gathered = 0;
  while (taken < now_.used && !reader.done()) {
    RequestReader::Step step = reader.Read(now_.view().subspan(taken));
    if (step.fault) return std::move(*step.fault);
    if (step.consumed == 0) {
      if (taken == 0 && now_.used == now_.bytes.size()) return Fault{400, "A line of the request's body is too long."};
      break;
    }
    if (!step.body.empty()) std::memmove(now_.bytes.data() + gathered, step.body.data(), step.body.size());
    gathered += step.body.size();
    taken += step.consumed;
  }
  bytes_in_ += gathered;
  return Gathered{now_.view().first(gathered), taken};
}

Connection::Then Connection::WhatFollows(const RequestReader* reader) const {
  if (reader == nullptr || unreadable_ || !limits_.keep_alive || !reader->keep_alive() || shared_.draining)
    return Then::kLinger;
  if (reader->done()) return Then::kNextRequest;
  // The client still waits to be told to send its body, or has much of it to send.
  if (expects_continue_ || reader->remaining().value_or(kDiscardable + 1) > kDiscardable) return Then::kLinger;
  return Then::kNextRequest;
}

std::string Connection::HeadOf(const Response& response, std::uint64_t length, Then then) const {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, ReasonOf(response.status));
  if (!HasNoBody(response.status)) head += fmt::format("Content-Length: {}\r\n", length);
  for (const auto& [name, value] : response.headers.all()) head += fmt::format("{}: {}\r\n", name, OnOneLine(value));
  if (!response.headers.Find("X-Openstack-Request-Id")) head += fmt::format("X-Openstack-Request-Id: {}\r\n", id_);
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  head += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(now));
  head += then == Then::kNextRequest ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

net::awaitable<Connection::Then> Connection::Send(RequestReader* reader, Response& response) {
  const Held held(shared_.answers, response.body.size());
  const bool fits = held.bytes() != 0 || response.body.size() <= kUncountedBody;
  // What has changed something is told so all the same.
  if (!fits && (method_ == "GET" || head_only_)) response = NoRoomForAnswer();
  const Then then = WhatFollows(reader);
  std::string bytes = HeadOf(response, response.file ? response.length : response.body.size(), then);
  const std::size_t head = bytes.size();
  trouble_ = std::move(response.trouble);
  const bool bodiless = head_only_ || HasNoBody(response.status);
  const std::string_view body = response.file || bodiless ? std::string_view() : response.body;
  // A short body goes out with the head; a long one has no second copy for as long as its reader takes.
  const bool together = body.size() <= kShortBody;
  if (together) bytes += body;
  Pace pace;
  bool sent = co_await WriteAll(std::as_bytes(std::span(bytes)), pace);
  if (sent && !together) sent = co_await WriteAll(std::as_bytes(std::span(body)), pace);
  bytes_out_ = pace.bytes - std::min<std::uint64_t>(pace.bytes, head);
  if (sent && response.file && !bodiless) sent = co_await SendFile(response);
  Report(response.status, !sent);
  co_return sent ? then : Then::kClose;
}

net::awaitable<bool> Connection::WriteAll(std::span<const std::byte> bytes, Pace& pace) {
  while (!bytes.empty()) {
    const auto deadline = NextDeadline(pace);
    if (!deadline) co_return false;
    const auto before = Clock::now();
    SetDeadline(*deadline);
    const Moved moved = co_await stream_->WriteSome(bytes);
    ClearDeadline();
    pace.waited += Clock::now() - before;
    if (moved.bytes == 0) co_return false;
    pace.bytes += moved.bytes;
    bytes = bytes.subspan(moved.bytes);
  }
  co_return true;
}

net::awaitable<Moved> Connection::ReadPaced(std::span<std::byte> out, Pace& pace) {
  const auto before = Clock::now();
  const auto deadline = NextDeadline(pace);
  SetDeadline(deadline.value_or(before));
  const Moved moved = co_await stream_->ReadSome(out);
  // A client that drips is late with bytes in its hands, too.
  const bool late = timed_out_ || !deadline;
  ClearDeadline();
  timed_out_ = late;
  pace.waited += Clock::now() - before;
  pace.bytes += moved.bytes;
  if (!deadline) co_return Moved{net::error::timed_out, 0};
  co_return moved;
}

bool Connection::IsQuick(const Pace& pace) noexcept {
  const auto seconds = std::chrono::duration<double>(pace.waited).count();
  return pace.bytes >= kQuickBytes && static_cast<double>(pace.bytes) >= seconds * double{kQuickRate};
}

std::optional<Connection::Clock::time_point> Connection::NextDeadline(const Pace& pace) const {
  const auto now = Clock::now();
  const auto stalled = now + limits_.stall_time;
  if (limits_.minimum_rate == 0) return stalled;
  const auto left = limits_.grace_time + EarnedTime(pace.bytes, limits_.minimum_rate) - pace.waited;
  if (left <= Clock::duration::zero()) return std::nullopt;
  return std::min<Clock::time_point>(stalled, now + left);
}

// Who has sent it with the request, or is at it, loses no connection by it; who does not send it keeps none.
net::awaitable<Connection::Then> Connection::DiscardBody(RequestReader& reader) {
  const Clock::time_point now = Clock::now();
  const Clock::time_point end = now + limits_.linger_time;
  NoteWaiting(now);
  while (true) {
    while (now_.used > 0 && !reader.done()) {
      const RequestReader::Step step = reader.Read(now_.view());
      if (step.fault) co_return Then::kLinger;
      now_.Drop(step.consumed);
      if (step.consumed == 0) break;
    }
    if (reader.done()) co_return Then::kNextRequest;
    if (now_.space().empty()) co_return Then::kLinger;
    if (Clock::now() >= end) co_return Then::kClose;
    SetDeadline(end);
    const Moved moved = co_await stream_->ReadSome(now_.space());
    ClearDeadline();
    if (moved.bytes == 0) co_return Then::kClose;
    now_.used += moved.bytes;
  }
}

// Closing with bytes unread would make the system tell the client of a broken connection, and its own system throw away
// the answer that it has not read yet.
net::awaitable<void> Connection::Linger() {
  const Clock::time_point now = Clock::now();
  NoteWaiting(now);
  SetDeadline(now + limits_.linger_time);
  co_await stream_->FinishWriting();
  std::vector<std::byte> waste(16384);
  while (!timed_out_) {
    const auto [error, bytes] =
        co_await stream_->socket().async_read_some(net::mutable_buffer(waste.data(), waste.size()), kAwait);
    if (error) break;
  }
  ClearDeadline();
}

void Connection::StartCall(Crew& crew, std::function<std::optional<Response>()> work, std::string owner) {
  call_ = {.running = true, .response = std::nullopt};
  ++crew.queued;
  auto call = [self = shared_from_this(), &crew, work = std::move(work)] {
    --crew.queued;
    ++crew.running;
    std::optional<Response> response;
    try {
      response = work();
    } catch (const std::exception& failure) {  // memory that is not there: the service itself throws nothing
      response = ErrorPage(500, "The server has got itself in trouble.");
      response->trouble = failure.what();
    }
    --crew.running;
    net::post(self->strand_, [self, response = std::move(response)]() mutable { self->EndCall(std::move(response)); });
  };
  if (!crew.turns) {
    net::post(crew.threads, std::move(call));
    return;
  }
  crew.turns->Add(std::move(owner), std::move(call));
  net::post(crew.threads, [&crew] { crew.turns->Run(); });
}

void Connection::EndCall(std::optional<Response> response) {
  call_.running = false;
  call_.response = std::move(response);
  call_done_.cancel();
}

net::awaitable<void> Connection::WaitForCall() {
  while (call_.running) {
    call_done_.expires_at(Clock::time_point::max());
    (void)co_await call_done_.async_wait(kAwait);
  }
}

void Connection::SetDeadline(Clock::time_point at) {
  timed_out_ = false;
  deadline_ = at;
  if (!watching_) {
    Watch();
  } else if (at < watch_.expiry()) {
    watch_.cancel();
  }
}

void Connection::ClearDeadline() {
  deadline_.reset();
  timed_out_ = false;
}

void Connection::Watch() {
  watching_ = true;
  watch_.expires_at(*deadline_);
  watch_.async_wait([weak = weak_from_this()](const boost::system::error_code& /*error*/) {
    const auto self = weak.lock();
    if (!self) return;
    self->watching_ = false;
    if (!self->deadline_) return;
    if (Clock::now() < *self->deadline_) return self->Watch();
    self->deadline_.reset();
    self->timed_out_ = true;
    boost::system::error_code ignored;
    self->stream_->socket().cancel(ignored);
  });
}

void Connection::Drain() {
  net::dispatch(strand_, [self = shared_from_this()] {
    boost::system::error_code ignored;
    if (self->idle_) self->stream_->socket().cancel(ignored);
  });
}

void Connection::MakeRoom() {
  net::dispatch(strand_, [self = shared_from_this()] {
    boost::system::error_code ignored;
    if (self->waiting_since()) self->stream_->socket().cancel(ignored);
  });
}

std::optional<Connection::Clock::time_point> Connection::waiting_since() const noexcept {
  const Clock::rep since = waiting_since_;
  if (since == kBusy) return std::nullopt;
  return Clock::time_point(Clock::duration(since));
}

void Connection::NoteWaiting(Clock::time_point since) noexcept { waiting_since_ = since.time_since_epoch().count(); }
void Connection::NoteBusy() noexcept { waiting_since_ = kBusy; }

void Connection::Close() {
  net::dispatch(strand_, [self = shared_from_this()] {
    // Not closed: a worker may be reading from it, and its number would be the next connection's.
    self->stream_->ShutDown();
  });
}

void Connection::Report(unsigned status, bool broken) {
  if (!shared_.observer) return;
  const auto time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_);
  shared_.observer(Exchange{id_, method_, target_, remote_, status, bytes_in_, bytes_out_, time, broken, trouble_});
}

}  // namespace platter::http
