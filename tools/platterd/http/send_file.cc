// How a connection answers with the bytes of an object.
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "tools/platterd/http/connection.h"

namespace platter::http {
namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);
constexpr std::size_t kReadBuffer = 256 * 1024;
// So much goes out before other connections get their turn.
constexpr std::uint64_t kTurn = 4 * 1024 * 1024;
constexpr const char* kTooShort = "the store's object has become shorter";
// How far apart we look whether a file is in memory.
constexpr std::uint64_t kLook = 512 * 1024;

// Whether it is the client to whom nothing can be sent, not the file that cannot be read.
bool IsOfTheClient(int os_error) noexcept {
  return os_error == EPIPE || os_error == ECONNRESET || os_error == ENOTCONN || os_error == ETIMEDOUT ||
         os_error == EHOSTUNREACH || os_error == ENETUNREACH;
}

// Whether these bytes can be sent without waiting for the disk, or the server, that they lie on. False where the file
// system cannot tell.
bool IsInMemory(int fd, off_t at, std::uint64_t length) {
  char byte = 0;
  const iovec one{&byte, 1};
  for (std::uint64_t ahead = 0; ahead < length; ahead += kLook) {
    if (::preadv2(fd, &one, 1, at + static_cast<off_t>(ahead), RWF_NOWAIT) < 0) return false;
  }
  return true;
}

}  // namespace

net::awaitable<bool> Connection::SendFile(Response& response) {
  if (response.file->fd() >= 0 && !stream_->encrypted()) co_return co_await SendBySystem(response);
  co_return co_await SendByReading(response);
}

net::awaitable<bool> Connection::SendBySystem(Response& response) {
  boost::system::error_code error;
  stream_->socket().native_non_blocking(true, error);
  if (error) co_return false;
  SystemSend send{.file = response.file->fd(), .at = static_cast<off_t>(response.offset), .left = response.length};
  Pace pace;
  while (send.left > 0) {
    // A file that is not in memory at one place is not at others, as a rule: those send it who may wait for it.
    if (send.in_memory && send.looked == 0) {
      send.looked = std::min(send.left, kTurn);
      send.in_memory = IsInMemory(send.file, send.at, send.looked);
    }
    if (send.in_memory) {
      SendSome(send);
    } else {
      StartCall(shared_.movers, [this, &send]() -> std::optional<Response> {
        SendSome(send);
        return std::nullopt;
      });
      co_await WaitForCall();
    }
    pace.bytes += send.sent;
    bytes_out_ += send.sent;
    // A file that has become shorter, a client that is gone, a disk that fails: the client sees too few bytes.
    if (send.over) {
      trouble_ = std::move(send.trouble);
      co_return false;
    }
    if (send.full && !co_await WaitUntilWritable(pace)) co_return false;
    if (!send.full) (void)co_await net::post(strand_, kAwait);
  }
  co_return true;
}

void Connection::SendSome(SystemSend& send) {
  const std::uint64_t turn = std::min(send.left, send.in_memory ? send.looked : kTurn);
  send.sent = 0;
  send.full = send.over = false;
  while (send.sent < turn) {
    const auto sent =
        ::sendfile(stream_->socket().native_handle(), send.file, &send.at, static_cast<std::size_t>(turn - send.sent));
    if (sent < 0 && errno == EINTR) continue;
    send.full = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    send.over = sent == 0 || (sent < 0 && !send.full);
    if (sent == 0) send.trouble = kTooShort;
    if (sent < 0 && send.over && !IsOfTheClient(errno)) {
      send.trouble = Error::FromErrno(errno, "cannot send a file of the store").Describe();
    }
    if (sent <= 0) break;
    send.sent += static_cast<std::uint64_t>(sent);
  }
  send.left -= send.sent;
  if (send.in_memory) send.looked -= send.sent;
}

net::awaitable<bool> Connection::WaitUntilWritable(Pace& pace) {
  const auto before = Clock::now();
  const auto deadline = NextDeadline(pace);
  if (!deadline) co_return false;
  SetDeadline(*deadline);
  const auto [failed] = co_await stream_->socket().async_wait(Tcp::socket::wait_write, kAwait);
  ClearDeadline();
  pace.waited += Clock::now() - before;
  co_return !failed;
}

net::awaitable<bool> Connection::SendByReading(Response& response) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(response.length, kReadBuffer)));
  std::uint64_t at = response.offset;
  std::uint64_t left = response.length;
  Pace pace;
  while (left > 0) {
    std::size_t count = 0;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    StartCall(shared_.movers, [&]() -> std::optional<Response> {
      auto read = response.file->ReadSome(at, std::span(buffer).first(wanted));
      if (read.ok()) count = read.value();
      if (count == 0) trouble_ = read.ok() ? kTooShort : read.error().Describe();
      return std::nullopt;
    });
    co_await WaitForCall();
    if (count == 0) co_return false;
    const bool written = co_await WriteAll(std::span<const std::byte>(buffer).first(count), pace);
    bytes_out_ += count;
    if (!written) co_return false;
    at += count;
    left -= count;
  }
  co_return true;
}

}  // namespace platter::http
