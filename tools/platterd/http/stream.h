// Stream: a connection's bytes, plain or through TLS. For http/ alone: it drags Asio along.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

namespace platter::http {

namespace net = boost::asio;
using Tcp = net::ip::tcp;

struct Moved {
  boost::system::error_code error;
  std::size_t bytes = 0;
};

// Used by one at a time: its connection's strand, or a worker that this one waits for. Nothing here throws; shutting
// the socket down ends whatever waits.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Tcp::socket& socket() noexcept = 0;
  virtual bool encrypted() const noexcept = 0;
  // What has to be said before HTTP is.
  virtual net::awaitable<boost::system::error_code> Handshake() = 0;
  // Some bytes; eof at the end.
  virtual net::awaitable<Moved> ReadSome(std::span<std::byte> out) = 0;
  // What is there already, without waiting for more; 0 where nothing is, and at the end.
  virtual std::size_t ReadNow(std::span<std::byte> out) = 0;
  // Blocks, for so long at most, until ReadNow may find something.
  bool WaitUntilReadable(std::chrono::milliseconds time);
  // Ends whatever waits, now and later. On the strand, whoever uses the stream meanwhile.
  void ShutDown();
  virtual net::awaitable<Moved> WriteSome(std::span<const std::byte> bytes) = 0;
  // Tells the peer that nothing more comes.
  virtual net::awaitable<void> FinishWriting() = 0;
};

// `tls`: null for a plain stream; outlives the stream.
std::unique_ptr<Stream> MakeStream(Tcp::socket socket, net::ssl::context* tls);

}  // namespace platter::http
