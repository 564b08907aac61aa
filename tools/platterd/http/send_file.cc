// How a connection answers with the bytes of an object.
#include <sys/sendfile.h>

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

}  // namespace

net::awaitable<bool> Connection::SendFile(Response& response) {
  if (response.file->fd() >= 0 && !stream_->encrypted()) co_return co_await SendBySystem(response);
  co_return co_await SendByReading(response);
}

net::awaitable<bool> Connection::SendBySystem(Response& response) {
  boost::system::error_code error;
  Tcp::socket& socket = stream_->socket();
  socket.native_non_blocking(true, error);
  if (error) co_return false;
  auto at = static_cast<off_t>(response.offset);
  std::uint64_t left = response.length;
  std::uint64_t turn = kTurn;
  Pace pace;
  while (left > 0) {
    const auto sent = ::sendfile(socket.native_handle(), response.file->fd(), &at,
                                 static_cast<std::size_t>(std::min({left, turn, kTurn})));
    if (sent > 0) {
      const auto count = static_cast<std::uint64_t>(sent);
      left -= count;
      turn -= count;
      pace.bytes += count;
      bytes_out_ += count;
      if (turn > 0) continue;
      turn = kTurn;
      (void)co_await net::post(strand_, kAwait);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    // A file that has become shorter, a client that is gone, a disk that fails: the client sees too few bytes.
    if (sent == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) co_return false;
    const auto before = Clock::now();
    const auto deadline = NextDeadline(pace);
    if (!deadline) co_return false;
    SetDeadline(*deadline);
    const auto [failed] = co_await socket.async_wait(Tcp::socket::wait_write, kAwait);
    ClearDeadline();
    pace.waited += Clock::now() - before;
    if (failed) co_return false;
    turn = kTurn;
  }
  co_return true;
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
