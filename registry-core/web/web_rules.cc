#include "registry-core/web/web_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace platter::registry {
namespace {

constexpr std::size_t kLongestUrl = 8 << 10;
constexpr std::size_t kLongestHost = 254;  // RFC 1035, with a dot at its end
constexpr std::size_t kLongestLabel = 63;

Error Denied(std::string why) { return Error(ErrorKind::kDenied, std::move(why)); }

constexpr bool IsDigit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool IsHostCharacter(char c) noexcept { return IsDigit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Whether anybody could take the name for an IPv4 address: as the URL standard of WHATWG has it, its last label is a
// number, decimal or in hexadecimal digits.
bool LooksLikeNumber(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);  // all of it where there is no dot
  if (std::ranges::all_of(last, IsDigit)) return true;
  return last.starts_with("0x") && last.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

Result<> CheckName(std::string_view host) {
  if (host.size() > kLongestHost) return Denied("the URL's host has too long a name");
  if (host.ends_with('.')) host.remove_suffix(1);
  for (std::size_t begin = 0; begin <= host.size();) {
    const std::size_t end = std::min(host.find('.', begin), host.size());
    const std::string_view label = host.substr(begin, end - begin);
    if (label.empty() || label.size() > kLongestLabel || !std::ranges::all_of(label, IsHostCharacter)) {
      return Denied("the URL's host is no name (letters of other scripts are written with xn--)");
    }
    begin = end + 1;
  }
  if (LooksLikeNumber(host)) return Denied("the URL's host is a number, and no address in its usual spelling");
  return Done{};
}

// "[::1]" or a name or an IPv4 address, in lower case.
Result<> TakeHost(std::string_view text, WebUrl& url) {
  if (text.empty()) return Denied("the URL has no host");
  if (text.front() == '[') {
    url.address = IpAddress::Parse(text.substr(1, text.size() - 2));
    if (!url.address || url.address->is_v4()) {
      return Denied("the URL's host is no IPv6 address in its usual spelling, without a zone");
    }
    url.host = url.address->Text();
    return Done{};
  }
  url.address = IpAddress::Parse(text);
  url.host = std::string(text);
  return url.address && url.address->is_v4() ? Result<>(Done{}) : CheckName(text);
}

Result<> TakePort(std::string_view text, WebUrl& url) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), url.port);
  if (error != std::errc() || end != text.data() + text.size() || text.front() == '0') {
    return Denied("the URL's port is no number from 1 to 65535");
  }
  return Done{};
}

Result<> TakeAuthority(std::string_view text, WebUrl& url) {
  if (text.find('@') != std::string_view::npos) {
    return Denied("the URL has a user in it, which nobody would be sent as");
  }
  const std::string lower = Lower(text);
  text = lower;
  std::size_t host_end = text.find(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return Denied("the URL's host has no closing bracket");
    host_end = bracket + 1 == text.size() ? std::string_view::npos : bracket + 1;
  }
  if (host_end == std::string_view::npos) return TakeHost(text, url);
  if (text[host_end] != ':') return Denied("the URL has something between its host and its port");
  PLATTER_CHECK(TakeHost(text.substr(0, host_end), url));
  return TakePort(text.substr(host_end + 1), url);
}

Result<WebUrl> Parse(std::string_view text) {
  if (text.size() > kLongestUrl) return Denied("the URL is too long");
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; })) {
    return Denied("the URL has a character that must be written with %");
  }
  const std::size_t colon = text.find("://");
  WebUrl url;
  url.scheme = Lower(text.substr(0, colon));
  if (colon == std::string_view::npos || (url.scheme != "http" && url.scheme != "https")) {
    return Denied("the URL does not begin with http:// or https://");
  }
  url.port = url.scheme == "http" ? 80 : 443;
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  PLATTER_CHECK(TakeAuthority(text.substr(0, end), url));
  text.remove_prefix(end);
  text = text.substr(0, text.find('#'));
  url.target = text.starts_with('/') ? std::string(text) : fmt::format("/{}", text);
  return url;
}

std::string_view WithoutDot(std::string_view name) {
  return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

// A list's entry, where it is an address.
std::optional<IpAddress> AddressOf(std::string_view entry) {
  if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
  return IpAddress::Parse(entry);
}

// Whether a list's entry means that host: addresses by value, names by their letters.
bool Means(const std::string& entry, const WebUrl& url) {
  const auto address = AddressOf(entry);
  if (address || url.address) return address == url.address;
  return WithoutDot(Lower(entry)) == WithoutDot(url.host);
}

bool HasHost(const std::vector<std::string>& list, const WebUrl& url) {
  return std::ranges::any_of(list, [&url](const std::string& entry) { return Means(entry, url); });
}

bool HasScheme(const std::vector<std::string>& list, const std::string& scheme) {
  return std::ranges::any_of(list, [&scheme](const std::string& entry) { return Lower(entry) == scheme; });
}

// Whether a pair of lists lets something pass that is in them or not.
template <class T>
bool Passes(const std::vector<T>& allowed, bool is_allowed, bool is_disallowed) {
  return allowed.empty() ? !is_disallowed : is_allowed;
}

// RFC 6761 6.3: every resolver answers with the machine itself.
bool IsLocalhost(std::string_view host) {
  host = WithoutDot(host);
  return host == "localhost" || host.ends_with(".localhost");
}

}  // namespace

std::string WebUrl::Text() const {
  const bool brackets = address && !address->is_v4();
  return fmt::format("{}://{}{}{}:{}{}", scheme, brackets ? "[" : "", host, brackets ? "]" : "", port, target);
}

Result<WebUrl> CheckUrl(const WebRules& rules, std::string_view text) {
  WebUrl url = PLATTER_TRY(Parse(text));
  if (!Passes(rules.allowed_schemes, HasScheme(rules.allowed_schemes, url.scheme),
              HasScheme(rules.disallowed_schemes, url.scheme))) {
    return Denied("the URL's scheme is not allowed here").Found(url.scheme);
  }
  url.trusted = HasHost(rules.allowed_hosts, url);
  if (!Passes(rules.allowed_hosts, url.trusted, HasHost(rules.disallowed_hosts, url))) {
    return Denied("the URL's host is not allowed here").Found(url.host);
  }
  const auto has_port = [&url](const std::vector<std::uint16_t>& ports) {
    return std::ranges::find(ports, url.port) != ports.end();
  };
  if (!Passes(rules.allowed_ports, has_port(rules.allowed_ports), has_port(rules.disallowed_ports))) {
    return Denied("the URL's port is not allowed here").Found(url.port);
  }
  if (url.address) PLATTER_CHECK(CheckAddress(rules, url, *url.address));
  if (!url.trusted && IsLocalhost(url.host)) return Denied("the URL's host is this machine").Found(url.host);
  return url;
}

Result<> CheckAddress(const WebRules& rules, const WebUrl& url, const IpAddress& address) {
  if (url.trusted) return Done{};
  // Which address a name has is nobody's business but the network's.
  const auto denied = [&url](std::string_view use) {
    if (!url.address) return Denied("the host has no public address, and is not one of allowed_hosts").Found(url.host);
    return Denied(fmt::format("the URL's host is an address that is {}, and not one of allowed_hosts", use))
        .Found(url.host);
  };
  const std::string_view use = address.SpecialUse();
  if (!use.empty()) return denied(use);
  const bool disallowed =
      rules.allowed_hosts.empty() && std::ranges::any_of(rules.disallowed_hosts, [&address](const std::string& entry) {
        return AddressOf(entry) == address;
      });
  if (disallowed) return Denied("the host's address is not allowed here").Found(url.host);
  return Done{};
}

}  // namespace platter::registry
