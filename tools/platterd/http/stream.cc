#include "tools/platterd/http/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace platter::http {
namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);

net::mutable_buffer Buffer(std::span<std::byte> bytes) { return {bytes.data(), bytes.size()}; }
net::const_buffer Buffer(std::span<const std::byte> bytes) { return {bytes.data(), bytes.size()}; }

class PlainStream : public Stream {
 public:
  explicit PlainStream(Tcp::socket socket) : socket_(std::move(socket)) {}

  Tcp::socket& socket() noexcept override { return socket_; }
  bool encrypted() const noexcept override { return false; }
  net::awaitable<boost::system::error_code> Handshake() override { co_return boost::system::error_code(); }
  net::awaitable<Moved> ReadSome(std::span<std::byte> out) override {
    const auto [error, bytes] = co_await socket_.async_read_some(Buffer(out), kAwait);
    co_return Moved{error, bytes};
  }
  std::size_t ReadNow(std::span<std::byte> out) override {
    std::size_t bytes = 0;
    while (bytes < out.size()) {
      const ssize_t got = ::recv(socket_.native_handle(), out.data() + bytes, out.size() - bytes, MSG_DONTWAIT);
      if (got <= 0) break;  // what is wrong will be found by the next read, too
      bytes += static_cast<std::size_t>(got);
    }
    return bytes;
  }
  net::awaitable<Moved> WriteSome(std::span<const std::byte> bytes) override {
    const auto [error, written] = co_await socket_.async_write_some(Buffer(bytes), kAwait);
    co_return Moved{error, written};
  }
  net::awaitable<void> FinishWriting() override {
    boost::system::error_code ignored;  // the peer may be gone already
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    co_return;
  }

 private:
  Tcp::socket socket_;
};

class TlsStream : public Stream {
 public:
  TlsStream(Tcp::socket socket, net::ssl::context& context) : stream_(std::move(socket), context) {}

  Tcp::socket& socket() noexcept override { return stream_.next_layer(); }
  bool encrypted() const noexcept override { return true; }
  net::awaitable<boost::system::error_code> Handshake() override {
    const auto [error] = co_await stream_.async_handshake(net::ssl::stream_base::server, kAwait);
    co_return error;
  }
  net::awaitable<Moved> ReadSome(std::span<std::byte> out) override {
    const auto [error, bytes] = co_await stream_.async_read_some(Buffer(out), kAwait);
    co_return Moved{error, bytes};
  }
  std::size_t ReadNow(std::span<std::byte> out) override {
    boost::system::error_code error;
    socket().non_blocking(true, error);
    std::size_t bytes = 0;
    while (bytes < out.size() && !error) bytes += stream_.read_some(Buffer(out.subspan(bytes)), error);
    return bytes;
  }
  net::awaitable<Moved> WriteSome(std::span<const std::byte> bytes) override {
    const auto [error, written] = co_await stream_.async_write_some(Buffer(bytes), kAwait);
    co_return Moved{error, written};
  }
  // The close_notify is sent, and the peer's awaited.
  net::awaitable<void> FinishWriting() override {
    (void)co_await stream_.async_shutdown(kAwait);
    boost::system::error_code ignored;  // the peer may be gone already
    socket().shutdown(Tcp::socket::shutdown_send, ignored);
  }

 private:
  net::ssl::stream<Tcp::socket> stream_;
};

}  // namespace

bool Stream::WaitUntilReadable(std::chrono::milliseconds time) {
  pollfd readable{socket().native_handle(), POLLIN, 0};
  return ::poll(&readable, 1, static_cast<int>(time.count())) > 0;
}

void Stream::ShutDown() {
  boost::system::error_code ignored;  // it may be gone already
  socket().shutdown(Tcp::socket::shutdown_both, ignored);
}

std::unique_ptr<Stream> MakeStream(Tcp::socket socket, net::ssl::context* tls) {
  if (tls == nullptr) return std::make_unique<PlainStream>(std::move(socket));
  return std::make_unique<TlsStream>(std::move(socket), *tls);
}

}  // namespace platter::http
