// A request and what answers it, without a word about sockets: the server (http/) is on one side, the API (api/) on the
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/stores/store.h"

namespace platter::http {

// Names are compared whatever their case.
class Fields {
 public:
  void Add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // The first one of that name.
  std::optional<std::string_view> Find(std::string_view name) const noexcept;
  const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // as it came: "/v2/images?limit=2"
  // Of the path, decoded, without empty ones at the end: {"v2", "images"}. A "/" at its end is `trailing_slash`.
  std::vector<std::string> segments;
  bool trailing_slash = false;
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in their order
  Fields headers;
  std::optional<std::uint64_t> content_length;  // bytes; empty where the body is chunked or there is none
  bool has_body = false;
  std::string remote;  // the client's address and port, for logs
  std::string base;    // "http://host:port" as the client sees this server, without a slash at its end
  std::string id;      // "req-...", new for each
};

struct Response {
  unsigned status = 200;
  Fields headers = {};    // without Content-Length, Date and Connection, which the server adds
  std::string body = {};  // where `file` is null
  // The bytes of an object, from `offset`, so many.
  std::unique_ptr<registry::StoreReader> file = {};
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  // What went wrong in here, for the log; "" for nothing. No client sees it.
  std::string trouble = {};
};

// Takes a body while it arrives. Called by one thread of the server's at a time, which it may block. Destroyed without
// Finish: the client broke off.
class BodyConsumer {
 public:
  virtual ~BodyConsumer() = default;
  // The bytes that follow. A response ends the exchange early: the rest of the body is not wanted.
  virtual std::optional<Response> Feed(std::span<const std::byte> bytes) = 0;
  // The body has ended. To be called once, last.
  virtual Response Finish() = 0;
  // Whether Feed, and Finish all the more, may take so long that requests without much work should not wait for it. Of
  // those, few run Finish at a time.
  virtual bool takes_long() const noexcept { return false; }
  // Who has only a share of the threads that run Finish of those; "": nobody whose share is counted.
  virtual std::string owner() const { return {}; }
};

using Answer = std::variant<Response, std::unique_ptr<BodyConsumer>>;

class Service {
 public:
  virtual ~Service() = default;
  // The header of a request is complete. Called on a worker thread, which it may block; many at once. Throws nothing.
  virtual Answer Begin(Request request) = 0;
  // Whether the request must not wait for others: it has threads that do nothing else. Waits for nothing.
  virtual bool IsApart(const Request& /*request*/) const { return false; }
};

// A body of at most `limit` bytes, whole, for `then`; 413 where it is longer.
std::unique_ptr<BodyConsumer> WholeBody(std::size_t limit, std::function<Response(std::string)> then);

// Glance's error body: a page of HTML with the status, its reason and the explanation, escaped.
Response ErrorPage(unsigned status, std::string_view explanation);
// "Not Found".
std::string_view ReasonOf(unsigned status) noexcept;

}  // namespace platter::http
