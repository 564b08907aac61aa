#include "registry-core/web/web_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace platter::registry {
namespace {

constexpr std::size_t kMaxHead = 64 << 10;  // bytes, of all answers to one request
constexpr long kChunk = 64 << 10;
constexpr std::chrono::milliseconds kLongestPoll{200};

CURLM* NewMulti() {
  (void)curl_global_init(CURL_GLOBAL_DEFAULT);  // thread-safe, and counted
  return curl_multi_init();
}

Error Cancelled() { return Error(ErrorKind::kCancelled, "the download was cancelled"); }

bool IsRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What a Location has in it that no URL may have, as the senders mean it.
std::string Escaped(std::string_view location) {
  std::string escaped;
  for (const char c : location) {
    if (c > ' ' && c < '\x7f') {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

// `location`, which may be relative to `base`; "" for none.
std::string Resolved(const std::string& base, const std::string& location) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, location.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return {};
  }
  char* text = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return {};
  std::string resolved(text);
  curl_free(text);
  return resolved;
}

// "bytes 0-99/1000" (RFC 9110 14.4); the last may be "*".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};

bool TakeNumber(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

bool TakeText(std::string_view& text, std::string_view wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(wanted.size());
  return true;
}

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  ContentRange range;
  if (!TakeText(text, "bytes ") || !TakeNumber(text, range.first) || !TakeText(text, "-") ||
      !TakeNumber(text, range.last) || !TakeText(text, "/") || range.last < range.first) {
    return std::nullopt;
  }
  if (text == "*") return range;
  std::uint64_t total = 0;
  if (!TakeNumber(text, total) || !text.empty() || range.last >= total) return std::nullopt;
  range.total = total;
  return range;
}

}  // namespace

WebReader::Connection::Connection(WebOptions options)
    : options_(std::move(options)),
      multi_(NewMulti(), &curl_multi_cleanup),
      easy_(curl_easy_init(), &curl_easy_cleanup),
      // Without it any encoding would do (RFC 9110 12.5.3).
      fields_(curl_slist_append(nullptr, "Accept-Encoding: identity"), &curl_slist_free_all) {}

WebReader::Connection::~Connection() { Close(); }

void WebReader::Connection::Cancel() noexcept {
  cancelled_ = true;
  if (multi_) (void)curl_multi_wakeup(multi_.get());
}

bool WebReader::Connection::IsCancelled() {
  if (options_.cancelled && options_.cancelled()) cancelled_ = true;
  return cancelled_;
}

curl_socket_t WebReader::Connection::OpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address) {
  auto& connection = *static_cast<Connection*>(self);
  const auto parsed = IpAddress::FromSocket(&address->addr, address->addrlen);
  if (purpose != CURLSOCKTYPE_IPCXN || !parsed) return CURL_SOCKET_BAD;
  auto checked = CheckAddress(connection.options_.rules, connection.url_, *parsed);
  if (!checked.ok()) {
    connection.refused_ = std::move(checked).error();
    return CURL_SOCKET_BAD;
  }
  connection.connected_ = true;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t WebReader::Connection::TakeHeader(char* data, std::size_t size, std::size_t count, void* self) {
  auto& connection = *static_cast<Connection*>(self);
  const std::string_view line(data, size * count);
  connection.head_bytes_ += line.size();
  if (connection.head_bytes_ > kMaxHead) return 0;
  // 100 Continue and its kind come before the answer.
  if ((line == "\r\n" || line == "\n") && connection.status() >= 200) connection.head_done_ = true;
  return line.size();
}

std::size_t WebReader::Connection::TakeBody(char* data, std::size_t size, std::size_t count, void* self) {
  auto& connection = *static_cast<Connection*>(self);
  const auto bytes = std::as_bytes(std::span(data, size * count));
  const std::span<std::byte> room = connection.out_.subspan(connection.filled_);
  if (room.empty()) {
    connection.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  const std::size_t taken = std::min(room.size(), bytes.size());
  std::ranges::copy(bytes.first(taken), room.begin());
  connection.filled_ += taken;
  connection.waited_bytes_ += bytes.size();
  connection.spill_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(taken), bytes.end());
  connection.spill_used_ = 0;
  return bytes.size();
}

void WebReader::Connection::SetOptions(const WebRange& range) {
  CURL* curl = easy_.get();
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url_.Text().c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // nor one of the environment
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "platterd");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields_.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_time.count()));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kChunk);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &Connection::OpenSocket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Connection::TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Connection::TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  if (options_.insecure) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (range.offset == 0 && !range.length) return;
  const std::string last = range.length ? std::to_string(range.offset + *range.length - 1) : "";
  curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-{}", range.offset, last).c_str());
}

void WebReader::Connection::Close() {
  if (!running_) return;
  // What has come to its end without being told so can be used again.
  if (!code_ && left_ == 0) Perform();
  (void)curl_multi_remove_handle(multi_.get(), easy_.get());
  running_ = false;
}

Result<> WebReader::Connection::Start(const WebRange& range) {
  Close();
  connected_ = false;
  refused_.reset();
  head_bytes_ = 0;
  head_done_ = false;
  code_.reset();
  waited_ = {};
  waited_bytes_ = 0;
  size_.reset();
  ranged_ = false;
  version_.clear();
  left_.reset();
  out_ = {};
  filled_ = 0;
  spill_.clear();
  spill_used_ = 0;
  paused_ = false;
  SetOptions(range);
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) {
    return Error(ErrorKind::kIo, "libcurl does not take a request");
  }
  running_ = true;
  return Drive(Until::kHead);
}

void WebReader::Connection::Perform() {
  int running = 0;
  if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) code_ = CURLE_FAILED_INIT;
  int waiting = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &waiting)) {
    if (message->msg == CURLMSG_DONE) code_ = message->data.result;
  }
}

Result<> WebReader::Connection::CheckPatience(std::chrono::steady_clock::duration waited) {
  waited_ += waited;
  if (waited_ < options_.patience) return Done{};
  if (waited_bytes_ < options_.least_bytes) {
    return Error(ErrorKind::kIo, fmt::format("the server sent {} bytes in {} ms", waited_bytes_,
                                             std::chrono::duration_cast<std::chrono::milliseconds>(waited_).count()))
        .Allowed(fmt::format("{} at least", options_.least_bytes));
  }
  waited_ = {};
  waited_bytes_ = 0;
  return Done{};
}

Result<> WebReader::Connection::Drive(Until until) {
  while (true) {
    if (IsCancelled()) return Cancelled();
    Perform();
    if (Reached(until)) break;
    const auto begun = std::chrono::steady_clock::now();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(options_.patience - waited_);
    const auto wait = std::clamp(left, std::chrono::milliseconds(1), kLongestPoll);
    (void)curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    PLATTER_CHECK(CheckPatience(std::chrono::steady_clock::now() - begun));
  }
  // What came before the end is handed out first.
  if (filled_ > 0 || code_.value_or(CURLE_OK) == CURLE_OK) return Done{};
  return Failure(*code_);
}

Error WebReader::Connection::Failure(CURLcode code) const {
  const auto failed = [this](std::string what) { return Error(ErrorKind::kIo, std::move(what)).Found(url_.host); };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return failed("the host's name leads nowhere");
    case CURLE_COULDNT_CONNECT:
      return failed("the host takes no connection");
    case CURLE_OPERATION_TIMEDOUT:
      return failed(fmt::format("there was no connection to the host in {} ms", options_.connect_time.count()));
    case CURLE_PEER_FAILED_VERIFICATION:
      return failed("the server's certificate is not to be trusted");
    case CURLE_PARTIAL_FILE:
      return failed("the connection ended before the announced length");
    case CURLE_WRITE_ERROR:
      return failed(fmt::format("the server's header has over {} bytes", kMaxHead));
    default:
      return failed(fmt::format("the download failed: {}", curl_easy_strerror(code)));
  }
}

long WebReader::Connection::status() const {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::string WebReader::Connection::Header(const char* name) const {
  curl_header* header = nullptr;
  return curl_easy_header(easy_.get(), name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : "";
}

Result<WebUrl> WebReader::Connection::Redirected() const {
  const std::string location = Header("Location");
  const std::string text = location.empty() ? "" : Resolved(url_.Text(), Escaped(location));
  if (text.empty()) return Error(ErrorKind::kIo, "the server redirects to nowhere").Found(url_.host);
  auto next = CheckUrl(options_.rules, text);
  if (!next.ok()) return std::move(next).error().While("following a redirect");
  if (url_.scheme == "https" && next.value().scheme != "https") {
    return Error(ErrorKind::kDenied, "the server redirects from https to http").Found(url_.host);
  }
  return next;
}

Result<> WebReader::Connection::Open(std::string_view text, WebRange range) {
  if (!multi_ || !easy_ || !fields_) return Error(ErrorKind::kIo, "libcurl has no memory");
  Close();
  url_ = PLATTER_TRY(CheckUrl(options_.rules, text));
  for (unsigned redirects = 0;; ++redirects) {
    auto started = Start(range);
    if (!started.ok()) {
      Close();
      if (refused_ && !connected_ && started.error().kind() == ErrorKind::kIo) return std::move(*refused_);
      return started;
    }
    if (!IsRedirect(status())) break;
    if (redirects == options_.max_redirects) {
      Close();
      return Error(ErrorKind::kIo, "the server redirects too often")
          .Allowed(fmt::format("{} times", options_.max_redirects));
    }
    auto next = Redirected();
    Close();
    url_ = PLATTER_TRY(std::move(next));
  }
  auto judged = Judge(range);
  if (!judged.ok()) Close();
  return judged;
}

Result<> WebReader::Connection::Judge(const WebRange& range) {
  version_ = Header("ETag");
  if (version_.empty() || version_.starts_with("W/")) version_ = Header("Last-Modified");
  switch (const long answer = status()) {
    case 200: {
      if (range.offset != 0) return Error(ErrorKind::kUnsupported, "the server serves no ranges").Found(url_.host);
      ranged_ = Header("Accept-Ranges") == "bytes";
      curl_off_t length = -1;
      curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      if (length >= 0) size_ = static_cast<std::uint64_t>(length);
      left_ = size_;
      if (range.length) left_ = std::min(*range.length, size_.value_or(*range.length));
      return Done{};
    }
    case 206:
      return JudgeRange(range);
    case 416:
      if (range.offset == 0 && Header("Content-Range") == "bytes */0") {
        size_ = left_ = 0;
        ranged_ = true;
        return Done{};
      }
      return Error(ErrorKind::kOutOfRange, "the range begins behind the object's end").Found(range.offset);
    case 404:
    case 410:
      return Error(ErrorKind::kNotFound, fmt::format("the server has no such object (HTTP {})", answer))
          .Found(url_.host);
    default:
      return Error(ErrorKind::kIo, fmt::format("the server answers with HTTP {}", answer)).Found(url_.host);
  }
}

Result<> WebReader::Connection::JudgeRange(const WebRange& range) {
  const auto got = ParseContentRange(Header("Content-Range"));
  const std::uint64_t wanted_last = range.length ? range.offset + *range.length - 1 : UINT64_MAX;
  const bool same = got && got->first == range.offset && got->last <= wanted_last &&
                    (!got->total || got->last == std::min(wanted_last, *got->total - 1));
  if (!same) {
    return Error(ErrorKind::kIo, "the server answers with another range than it was asked for").Found(url_.host);
  }
  ranged_ = true;
  size_ = got->total;
  left_ = got->last - got->first + 1;
  return Done{};
}

Result<> WebReader::Connection::Fill(std::span<std::byte> out) {
  if (spill_used_ < spill_.size()) {
    const auto rest = std::span(spill_).subspan(spill_used_);
    filled_ = std::min(rest.size(), out.size());
    std::ranges::copy(rest.first(filled_), out.begin());
    spill_used_ += filled_;
    return Done{};
  }
  if (code_) return *code_ == CURLE_OK ? Result<>(Done{}) : Result<>(Failure(*code_));
  out_ = out;
  if (std::exchange(paused_, false)) (void)curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
  auto driven = Drive(Until::kBytes);
  out_ = {};
  return driven;
}

Result<std::size_t> WebReader::Connection::ReadSome(std::span<std::byte> out) {
  if (!running_) return Error(ErrorKind::kInvalid, "nothing is open");
  if (IsCancelled()) return Cancelled();
  if (left_) out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), *left_)));
  if (out.empty()) return std::size_t{0};
  PLATTER_CHECK(Fill(out));
  const std::size_t got = std::exchange(filled_, 0);
  if (got == 0 && left_) return Failure(CURLE_PARTIAL_FILE);
  if (left_) *left_ -= got;
  return got;
}

}  // namespace platter::registry
