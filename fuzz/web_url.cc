// URLs of strangers: what passes means one host, whoever reads it: libcurl in the original and in what is fetched, and
// the C library, which takes more spellings for an address than anybody should.
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>

#include <memory>
#include <string>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "registry-core/web/web_rules.h"

namespace platter::fuzz {
namespace {

using registry::CheckUrl;
using registry::IpAddress;
using registry::WebRules;
using registry::WebUrl;

struct Seen {
  std::string scheme, host, port, user, zone;
};

// Empty where libcurl takes it for no URL.
std::optional<Seen> AsCurlReads(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return std::nullopt;
  const auto part = [&parsed](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  return Seen{part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT), part(CURLUPART_USER),
              part(CURLUPART_ZONEID)};
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void CheckSameHost(const WebUrl& url, const Seen& seen, const std::string& text) {
  Promise(seen.scheme == url.scheme && seen.port == std::to_string(url.port), "one scheme and one port", text);
  Promise(seen.user.empty() && seen.zone.empty(), "no user, and no zone", text);
  const bool brackets = seen.host.starts_with('[') && seen.host.ends_with(']');
  const std::string bare = brackets ? seen.host.substr(1, seen.host.size() - 2) : seen.host;
  if (url.address) {
    Promise(IpAddress::Parse(bare) == url.address && brackets != url.address->is_v4(), "one address", text);
  } else {
    Promise(Lower(bare) == url.host, "one host", text);
  }
}

// What the C library takes for an address without asking anybody must be one that was judged as such.
void CheckNoHiddenAddress(const WebUrl& url, const std::string& text) {
  in_addr old{};
  const bool number = inet_aton(url.host.c_str(), &old) != 0;
  Promise(!number || (url.address && url.address->is_v4()), "no address in disguise", text);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(url.host.c_str(), nullptr, &hints, &found) != 0) return;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  Promise(IpAddress::FromSocket(found->ai_addr, found->ai_addrlen) == url.address, "it is the one that was judged",
          text);
  Promise(url.trusted || url.address->SpecialUse().empty(), "and public", text);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  WebRules rules;
  const std::uint8_t choice = reader.Byte();
  if ((choice & 1) != 0) rules.allowed_ports.clear();
  if ((choice & 2) != 0) rules.disallowed_hosts = {"example.org", "8.8.8.8"};
  if ((choice & 4) != 0) rules.allowed_hosts = {"127.0.0.1", "localhost", "::1", "example.org"};
  const std::string text(reader.Text());
  const auto checked = CheckUrl(rules, text);
  if (!checked.ok()) return Told(checked.error());
  const WebUrl& url = checked.value();
  const auto fetched = AsCurlReads(url.Text());
  Promise(fetched.has_value(), "what passes can be fetched", text);
  CheckSameHost(url, *fetched, text);
  if (const auto original = AsCurlReads(text)) CheckSameHost(url, *original, text);
  CheckNoHiddenAddress(url, text);
  const auto again = CheckUrl(rules, url.Text());
  Promise(again.ok() && again.value().Text() == url.Text(), "what is fetched passes, too, and means itself", text);
  Promise((choice & 6) != 2 || url.host != "example.org", "a disallowed host does not pass", text);
}

}  // namespace platter::fuzz
