// WebReader: the bytes behind a URL of a stranger, pulled piece by piece.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "registry-core/web/web_rules.h"

namespace platter::registry {

struct WebOptions {
  WebRules rules;
  std::string ca_file;    // certificates in PEM that vouch for servers; "": the system's
  bool insecure = false;  // any certificate will do
  unsigned max_redirects = 5;
  std::chrono::milliseconds connect_time{20'000};  // for a name, a connection and TLS together
  // A server that in so much time of waiting for it sends fewer bytes is given up. What the caller takes for itself
  // between two calls does not count.
  std::chrono::milliseconds patience{60'000};
  std::uint64_t least_bytes = 64 << 10;
  // Asked now and then by the thread that waits, where there is one: true is as Cancel.
  std::function<bool()> cancelled = {};
};

// Bytes from `offset` on, `length` of them at most.
struct WebRange {
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length = {};
};

// Used by one thread at a time, but for Cancel. Holds 64 KiB at most beyond what libcurl needs for a connection; a
// connection that is still good is used again by the next Open.
//
// Only HTTP/1.1 over TCP or TLS is spoken, without a proxy, cookies, or credentials of any kind. Every URL, also each
// that a server redirects to, passes CheckUrl, and every address that is connected to CheckAddress. A redirect from
// https to http is refused.
class WebReader {
 public:
  explicit WebReader(WebOptions options);
  ~WebReader();
  WebReader(const WebReader&) = delete;
  WebReader& operator=(const WebReader&) = delete;

  // Asks for the object, and returns when the server has begun to answer; what was open before is closed. kDenied by
  // the rules; kNotFound (404, 410); kUnsupported: the server does not serve ranges, and one was asked for that does
  // not begin at 0; kOutOfRange: the range begins behind the end; kCancelled; kIo for all that goes wrong on the way.
  Result<> Open(std::string_view url, WebRange range = {});

  // Of the whole object, in bytes, where the server says so. Requires for all of these: Open has succeeded.
  std::optional<std::uint64_t> size() const noexcept;
  // Whether the server serves ranges of it, as far as the last Open has shown.
  bool ranged() const noexcept;
  // The URL that answered, behind all redirects.
  std::string url() const;
  // What tells this state of the object from others: an ETag, or a time. "": the server gives none.
  const std::string& version() const noexcept;

  // The next bytes, `out.size()` at most; 0 at the end. kIo also where the connection ends before the length that was
  // announced, or the server stalls; kCancelled.
  Result<std::size_t> ReadSome(std::span<std::byte> out);

  // From any thread: what is running ends with kCancelled, as does all that follows. Looking up a name goes on until
  // the resolver gives up.
  void Cancel() noexcept;

 private:
  class Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace platter::registry
