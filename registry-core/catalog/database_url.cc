#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "registry-core/catalog/catalog.h"

namespace platter::registry {
namespace {

Error Wrong(std::string what) {
  return Error(ErrorKind::kInvalid, "the database's URL is wrong: " + std::move(what))
      .Allowed("sqlite:///path, mysql://user:password@host/name, postgresql://user:password@host/name");
}

std::optional<unsigned> HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A' + 10);
  return std::nullopt;
}

Result<std::string> Unescape(std::string_view text, std::string_view part) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char byte = text[at];
    if (byte == '%') {
      const auto high = at + 1 < text.size() ? HexDigit(text[at + 1]) : std::nullopt;
      const auto low = at + 2 < text.size() ? HexDigit(text[at + 2]) : std::nullopt;
      if (!high || !low) return Wrong(fmt::format("a '%' in its {} begins no escape (%40 is '@')", part));
      byte = static_cast<char>(*high * 16 + *low);
      at += 2;
    }
    if (byte == '\0') return Wrong(fmt::format("a zero byte in its {}", part));
    plain += byte;
  }
  return plain;
}

// What stands before `separator`, which goes with it from `text`; nothing where there is none.
std::optional<std::string_view> TakeBefore(std::string_view& text, std::size_t separator) {
  if (separator == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(0, separator);
  text.remove_prefix(separator + 1);
  return before;
}

// What may stand behind the "?". PostgreSQL's are its own library's, which reads them itself. MariaDB's library would
// encrypt without looking at the server's certificate: the options that ask for TLS are not among these.
constexpr std::string_view kMariaDbOptions[] = {"unix_socket", "charset", "connect_timeout", "read_timeout",
                                                "write_timeout"};
constexpr std::string_view kPostgreSqlOptions[] = {"host",
                                                   "application_name",
                                                   "client_encoding",
                                                   "connect_timeout",
                                                   "sslmode",
                                                   "sslrootcert",
                                                   "sslcert",
                                                   "sslkey",
                                                   "sslcrl",
                                                   "target_session_attrs",
                                                   "keepalives",
                                                   "keepalives_idle",
                                                   "keepalives_count",
                                                   "keepalives_interval",
                                                   "tcp_user_timeout",
                                                   "gssencmode",
                                                   "krbsrvname",
                                                   "channel_binding"};

std::span<const std::string_view> OptionsOf(Engine engine) noexcept {
  switch (engine) {
    case Engine::kSqlite:
      return {};
    case Engine::kMariaDb:
      return kMariaDbOptions;
    case Engine::kPostgreSql:
      return kPostgreSqlOptions;
  }
  return {};
}

// The catalog speaks UTF-8, whatever the URL says: it may say that, or MariaDB's half of it.
bool IsUtf8(std::string_view charset) noexcept {
  return charset == "utf8" || charset == "UTF8" || charset == "utf-8" || charset == "utf8mb3" || charset == "utf8mb4";
}

Result<> CheckOption(std::string_view name, std::string_view value, Engine engine) {
  const auto known = OptionsOf(engine);
  if (std::ranges::find(known, name) == known.end())
    return Error(ErrorKind::kInvalid, "the database's URL is wrong: an option behind its '?' is not known")
        .Found(std::string(name))
        .Allowed(known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  if ((name == "charset" || name == "client_encoding") && !IsUtf8(value))
    return Wrong(fmt::format("its {} is not UTF-8", name));
  const bool seconds = engine == Engine::kMariaDb && name.ends_with("_timeout");
  if (seconds &&
      (value.empty() || value.size() > 6 || value.find_first_not_of("0123456789") != std::string_view::npos ||
       value.find_first_not_of('0') == std::string_view::npos))
    return Wrong(fmt::format("its {} is no number of seconds from 1 to 999999", name));
  return Done{};
}

Result<> ParseOptions(std::string_view text, DatabaseUrl& url) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    std::string_view value = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto name = TakeBefore(value, value.find('='));
    if (!name || name->empty()) return Wrong("an option behind its '?' is not name=value");
    std::string plain_name = PLATTER_TRY(Unescape(*name, "options"));
    std::string plain = PLATTER_TRY(Unescape(value, "options"));
    PLATTER_CHECK(CheckOption(plain_name, plain, url.engine));
    if (plain_name == (url.engine == Engine::kMariaDb ? "unix_socket" : "host"))
      url.socket = std::move(plain);
    else
      url.options.emplace_back(std::move(plain_name), std::move(plain));
  }
  return Done{};
}

Result<> ParseHost(std::string_view text, DatabaseUrl& url) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return Wrong("its host has a '[' and no ']'");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return Wrong("what follows the ']' of its host is no port");
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  url.host = PLATTER_TRY(Unescape(host, "host"));
  if (port.empty() || port == ":") return Done{};
  port.remove_prefix(1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0)
    return Wrong("its port is no number from 1 to 65535");
  url.port = number;
  return Done{};
}

// "user:password@host:port/database".
Result<> ParseServer(std::string_view text, DatabaseUrl& url) {
  const std::size_t slash = text.find('/', std::min(text.rfind('@'), text.size()) == text.size() ? 0 : text.rfind('@'));
  if (slash == std::string_view::npos || slash + 1 == text.size()) return Wrong("it names no database");
  url.database = PLATTER_TRY(Unescape(text.substr(slash + 1), "database"));
  std::string_view host = text.substr(0, slash);
  if (auto password = TakeBefore(host, host.rfind('@'))) {
    const std::size_t colon = password->find(':');
    url.user = PLATTER_TRY(Unescape(password->substr(0, colon), "user"));
    if (colon != std::string_view::npos) url.password = PLATTER_TRY(Unescape(password->substr(colon + 1), "password"));
  }
  return ParseHost(host, url);
}

}  // namespace

Result<DatabaseUrl> DatabaseUrl::Parse(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  if (text.size() > kLongest) return Wrong("it is longer than 4096 bytes");
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return Wrong("it has no '://'");
  std::string_view driver = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 3);
  const std::string_view engine = driver.substr(0, driver.find('+'));
  DatabaseUrl url;
  if (engine == "mysql" || engine == "mariadb")
    url.engine = Engine::kMariaDb;
  else if (engine == "postgresql" || engine == "postgres")
    url.engine = Engine::kPostgreSql;
  else if (engine != "sqlite")
    return Wrong("no database that is known here stands before its '://'");
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    PLATTER_CHECK(ParseOptions(rest.substr(question + 1), url));
    rest = rest.substr(0, question);
  }
  if (url.engine == Engine::kSqlite) {
    // Three slashes and a relative path, or four: the path begins behind the third.
    if (!rest.starts_with('/') || rest.size() < 2) return Wrong("it names no file");
    url.path = PLATTER_TRY(Unescape(rest.substr(1), "path"));
    return url;
  }
  PLATTER_CHECK(ParseServer(rest, url));
  return url;
}

std::string DatabaseUrl::Describe() const {
  if (engine == Engine::kSqlite) return "SQLite: " + path;
  const std::string_view name = engine == Engine::kMariaDb ? "MariaDB" : "PostgreSQL";
  const std::string at = socket.empty() ? host + (port ? fmt::format(":{}", *port) : "") : socket;
  return fmt::format("{}: {} at {}", name, database, at.empty() ? "this host" : at);
}

}  // namespace platter::registry
