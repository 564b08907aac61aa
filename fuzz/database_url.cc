// [database] connection, as a glance-api.conf has it.
#include <string>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "registry-core/catalog/catalog.h"

namespace platter::fuzz {
namespace {

// As a URL has it: every byte that could mean something escaped.
std::string Escaped(const std::string& text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string escaped;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    escaped += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return escaped;
}

std::string Written(const registry::DatabaseUrl& url) {
  if (url.engine == registry::Engine::kSqlite) return "sqlite:///" + Escaped(url.path);
  std::string text = url.engine == registry::Engine::kMariaDb ? "mysql://" : "postgresql://";
  if (!url.user.empty() || !url.password.empty()) text += Escaped(url.user) + ":" + Escaped(url.password) + "@";
  text += Escaped(url.host);
  if (url.port) text += ":" + std::to_string(*url.port);
  text += "/" + Escaped(url.database);
  char separator = '?';
  for (const auto& [name, value] : url.options) {
    text += separator + Escaped(name) + "=" + Escaped(value);
    separator = '&';
  }
  if (url.socket.empty()) return text;
  const char* name = url.engine == registry::Engine::kMariaDb ? "unix_socket" : "host";
  return text + separator + name + "=" + Escaped(url.socket);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const std::string text(InputReader(input).Text());
  const auto given = registry::DatabaseUrl::Parse(text);
  if (!given.ok()) return Told(given.error());
  const registry::DatabaseUrl& url = given.value();
  for (const std::string* part : {&url.path, &url.user, &url.password, &url.host, &url.database, &url.socket})
    Promise(part->find('\0') == std::string::npos, "no zero byte reaches a C library");
  const bool sqlite = url.engine == registry::Engine::kSqlite;
  Promise(sqlite ? !url.path.empty() : !url.database.empty(), "something is named");
  Promise(!url.port || *url.port != 0, "a port is one");
  const std::string written = Written(url);
  if (written.size() > 4096) return;  // all escapes: too long by itself
  const auto again = registry::DatabaseUrl::Parse(written);
  Promise(again.ok(), "what was understood can be written");
  const registry::DatabaseUrl& same = again.value();
  Promise(same.engine == url.engine && same.path == url.path && same.user == url.user && same.password == url.password,
          "and means the same");
  Promise(same.host == url.host && same.database == url.database && same.socket == url.socket && same.port == url.port,
          "and names the same place");
  Promise(same.options == url.options, "with the same options");
}

}  // namespace platter::fuzz
