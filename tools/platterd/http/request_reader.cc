#include "tools/platterd/http/request_reader.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <string_view>
#include <utility>

#include "tools/platterd/http/target.h"
#include "tools/platterd/http/text.h"

namespace platter::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using HttpError = beast::http::error;

constexpr std::size_t kMaxTarget = 8192;
constexpr std::size_t kMaxEmptyLines = 8;
constexpr std::size_t kShortestChunked = 5;  // "0", CR, LF, CR, LF

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }
std::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Beast lets quoted strings hold anything.
bool IsText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\t' || (c >= ' ' && c != 0x7f); });
}

// What Beast would let pass: a NUL anywhere, a line that ends without CR, a field that goes on in the next line.
std::optional<Fault> CheckHead(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\0') return Fault{400, "The request's header has a NUL byte."};
    if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) {
      return Fault{400, "A line of the request's header has a CR within."};
    }
    if (head[i] != '\n') continue;
    if (i == 0 || head[i - 1] != '\r') return Fault{400, "A line of the request's header does not end with CR LF."};
    if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) {
      return Fault{400, "A field of the request's header is folded."};
    }
  }
  return std::nullopt;
}

Fault FaultOf(const error_code& code, bool head_done) {
  if (code == HttpError::header_limit || code == HttpError::buffer_overflow) {
    return {431, "The request's header is too large."};
  }
  if (code == HttpError::bad_version) return {505, "The server speaks HTTP/1.0 and HTTP/1.1."};
  if (head_done) return {400, "The request's body is not framed as HTTP asks: " + code.message() + "."};
  return {400, "The request's header is not as HTTP asks: " + code.message() + "."};
}

}  // namespace

class RequestReader::Parser : public beast::http::basic_parser<true> {
 public:
  explicit Parser(const HeadLimits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.bytes));
    body_limit(boost::none);
  }

  Step Read(std::span<const std::byte> in) {
    if (!is_header_done()) return ReadHead(in);
    // Beast asserts that much of a last chunk that is the first one. Whoever sends chunks sends no less.
    if (chunked() && !chunk_begun_ && in.size() < kShortestChunked) return {};
    piece_ = {};
    error_code code;
    const std::size_t consumed = put(beast::net::const_buffer(in.data(), in.size()), code);
    Step step{consumed, piece_};
    if (code && code != HttpError::need_more) step.fault = FaultOf(code, true);
    // The last chunk and the trailers come in one piece.
    if (!step.fault && chunked() && is_done() && CheckHead(View(in.first(consumed)))) {
      step.fault = Fault{400, "The request's trailer is not as HTTP asks."};
    }
    return step;
  }

  Request request;
  std::size_t hosts = 0;
  bool version_1_0 = false;

 private:
  // A few empty lines before a request line are let pass, as RFC 9112, 2.2 wants it.
  Step ReadHead(std::span<const std::byte> in) {
    const std::string_view text = View(in);
    std::size_t empty = 0;
    while (text.substr(2 * empty).starts_with("\r\n")) ++empty;
    empty_lines_ += empty;
    if (empty_lines_ > kMaxEmptyLines) return {.fault = Fault{400, "Too many empty lines are before the request."}};
    if (empty > 0) return {.consumed = 2 * empty};
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos ? in.size() >= limits_.bytes : end + 4 > limits_.bytes) {
      return {.fault = Fault{431, "The request's header is too large."}};
    }
    if (end == std::string_view::npos) {
      // A line feed alone never becomes an end: why wait for more?
      const std::string_view sure = text.substr(0, text.empty() ? 0 : text.size() - 1);
      return {.fault = CheckHead(sure.substr(0, sure.rfind('\r')))};
    }
    if (auto fault = CheckHead(text.substr(0, end + 4))) return {.fault = std::move(fault)};
    error_code code;
    Step step{.consumed = put(beast::net::const_buffer(in.data(), end + 4), code)};
    if (code && code != HttpError::need_more) step.fault = FaultOf(code, false);
    if (!step.fault) step.fault = CheckRequest();
    return step;
  }

  std::optional<Fault> CheckRequest() {
    if (too_many_) return Fault{431, "The request's header has too many fields."};
    if (request.target.size() > kMaxTarget) return Fault{414, "The request's target is too long."};
    if (hosts > 1 || (hosts == 0 && !version_1_0)) return Fault{400, "The request has to name one host."};
    const auto host = request.headers.Find("Host");
    if (host && !host->empty() && !IsHost(*host)) return Fault{400, "The request's host is none."};
    if (transfer_encodings_ > 0) {
      if (version_1_0 || transfer_encodings_ > 1 || lengths_ > 0) {
        return Fault{400, "The request's length is ambiguous."};
      }
      if (!SameName(*request.headers.Find("Transfer-Encoding"), "chunked")) {
        return Fault{501, "The transfer coding is not implemented."};
      }
    }
    const auto length = request.headers.Find("Content-Length");
    if (length && length->find_first_not_of("0123456789") != std::string_view::npos) {
      return Fault{400, "The request's length is no number."};
    }
    if (lengths_ > 1) return Fault{400, "The request's length is ambiguous."};
    if (auto fault = DecodeTarget(request)) return Fault{400, std::move(*fault)};
    if (!chunked() && content_length()) request.content_length = *content_length();
    request.has_body = chunked() || request.content_length.value_or(0) > 0;
    return std::nullopt;
  }

  void on_request_impl(beast::http::verb /*method*/, beast::string_view method, beast::string_view target, int version,
                       error_code& code) override {
    if (version != 10 && version != 11) code = HttpError::bad_version;
    version_1_0 = version == 10;
    request.method = View(method);
    request.target = View(target);
  }
  void on_response_impl(int /*status*/, beast::string_view /*reason*/, int /*version*/, error_code& code) override {
    code = HttpError::bad_method;
  }
  void on_field_impl(beast::http::field name, beast::string_view name_text, beast::string_view value,
                     error_code& /*code*/) override {
    if (is_header_done()) return;  // a trailer's: nothing here wants one
    if (request.headers.all().size() >= limits_.fields) {
      too_many_ = true;
      return;
    }
    if (name == beast::http::field::host) ++hosts;
    if (name == beast::http::field::content_length) ++lengths_;
    if (name == beast::http::field::transfer_encoding) ++transfer_encodings_;
    request.headers.Add(std::string(View(name_text)), std::string(Trim(View(value))));
  }
  void on_header_impl(error_code& /*code*/) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/, error_code& /*code*/) override {}
  std::size_t on_body_impl(beast::string_view body, error_code& /*code*/) override {
    piece_ = std::as_bytes(std::span(body.data(), body.size()));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, beast::string_view extensions, error_code& code) override {
    chunk_begun_ = true;
    if (!IsText(View(extensions))) code = HttpError::bad_chunk_extension;
  }
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, beast::string_view body, error_code& code) override {
    return on_body_impl(body, code);
  }
  void on_finish_impl(error_code& /*code*/) override {}

  HeadLimits limits_;
  std::span<const std::byte> piece_;
  std::size_t empty_lines_ = 0;
  std::size_t lengths_ = 0;
  std::size_t transfer_encodings_ = 0;
  bool too_many_ = false;
  bool chunk_begun_ = false;
};

RequestReader::RequestReader(const HeadLimits& limits) : parser_(std::make_unique<Parser>(limits)) {}
RequestReader::~RequestReader() = default;

RequestReader::Step RequestReader::Read(std::span<const std::byte> in) {
  if (in.empty()) return {};
  return parser_->Read(in);
}
bool RequestReader::head_done() const noexcept { return parser_->is_header_done(); }
bool RequestReader::done() const noexcept { return parser_->is_done(); }
Request RequestReader::TakeRequest() { return std::move(parser_->request); }
bool RequestReader::keep_alive() const { return parser_->keep_alive(); }
bool RequestReader::expects_continue() const noexcept {
  const auto expect = parser_->request.headers.Find("Expect");
  return expect && SameName(*expect, "100-continue");
}
bool RequestReader::old_version() const noexcept { return parser_->version_1_0; }
std::optional<std::uint64_t> RequestReader::remaining() const {
  if (parser_->is_done()) return 0;
  const auto length = parser_->content_length_remaining();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

}  // namespace platter::http
