// RequestReader: one HTTP/1.x request out of a stream of bytes. Beast reads it; what would let two readers disagree
// about where a request ends (RFC 9112, 11.2) is refused on top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tools/platterd/http/exchange.h"

namespace platter::http {

struct HeadLimits {
  std::size_t bytes = 16384;  // of the request line and all fields
  std::size_t fields = 100;
};

// Why a request is refused, for ErrorPage.
struct Fault {
  unsigned status = 400;
  std::string explanation = {};
};

class RequestReader {
 public:
  explicit RequestReader(const HeadLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Takes bytes off the front of `in`: at most the whole header, or one piece of the body or of its framing. Nothing is
  // consumed where more has to come first; the header and each chunk's line are taken in one. After a fault the stream
  // cannot be read on. Requires: !done().
  struct Step {
    std::size_t consumed = 0;
    std::span<const std::byte> body = {};  // within `in`
    std::optional<Fault> fault = {};
  };
  Step Read(std::span<const std::byte> in);

  bool head_done() const noexcept;
  // The request has been read to its end.
  bool done() const noexcept;
  // What follows: requires head_done().
  // Method, target (with segments and query), headers, content_length and has_body; to be called once.
  Request TakeRequest();
  bool keep_alive() const;
  bool expects_continue() const noexcept;
  bool old_version() const noexcept;  // HTTP/1.0
  // Bytes of the body that are still to come; empty where its chunks do not say.
  std::optional<std::uint64_t> remaining() const;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace platter::http
