#include "tools/platterd/http/exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/platterd/http/text.h"

namespace platter::http {
namespace {

struct Reason {
  unsigned status;
  std::string_view text;
};
constexpr Reason kReasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

class Whole : public BodyConsumer {
 public:
  Whole(std::size_t limit, std::function<Response(std::string)> then) : limit_(limit), then_(std::move(then)) {}

  std::optional<Response> Feed(std::span<const std::byte> bytes) override {
    if (bytes.size() > limit_ - body_.size()) {
      return ErrorPage(413, fmt::format("Request limit exceeded: the body may have {} bytes at most.", limit_));
    }
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return std::nullopt;
  }
  Response Finish() override { return then_(std::move(body_)); }

 private:
  std::size_t limit_;
  std::function<Response(std::string)> then_;
  std::string body_;
};

// As a page in ASCII shows it: markup and everything beyond ASCII as references.
std::string Escape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char32_t code = TakeCodePoint(text);
    switch (code) {
      case U'&':
        out += "&amp;";
        break;
      case U'<':
        out += "&lt;";
        break;
      case U'>':
        out += "&gt;";
        break;
      case U'"':
        out += "&quot;";
        break;
      case U'\'':
        out += "&#x27;";
        break;
      default:
        if (code < 0x80) {
          out += static_cast<char>(code);
        } else {
          out += fmt::format("&#{};", static_cast<std::uint32_t>(code));
        }
    }
  }
  return out;
}

}  // namespace

std::optional<std::string_view> Fields::Find(std::string_view name) const noexcept {
  for (const auto& [key, value] : fields_) {
    if (SameName(key, name)) return value;
  }
  return std::nullopt;
}

std::unique_ptr<BodyConsumer> WholeBody(std::size_t limit, std::function<Response(std::string)> then) {
  return std::make_unique<Whole>(limit, std::move(then));
}

Response ErrorPage(unsigned status, std::string_view explanation) {
  const std::string title = fmt::format("{} {}", status, ReasonOf(status));
  Response response;
  response.status = status;
  response.headers.Add("Content-Type", "text/html; charset=UTF-8");
  response.body = fmt::format(
      "<html>\n <head>\n  <title>{0}</title>\n </head>\n <body>\n  <h1>{0}</h1>\n  {1}<br /><br />\n\n\n\n "
      "</body>\n</html>",
      title, Escape(explanation));
  return response;
}

std::string_view ReasonOf(unsigned status) noexcept {
  const auto* reason = std::find_if(std::begin(kReasons), std::end(kReasons),
                                    [status](const Reason& candidate) { return candidate.status == status; });
  return reason == std::end(kReasons) ? "Unknown" : reason->text;
}

}  // namespace platter::http
