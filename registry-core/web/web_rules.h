// WebRules: which URLs of strangers may be fetched, so that nobody reaches through us what only we can reach.
//
// The URL is judged before anything is done with it (CheckUrl), and each address that its host turns out to have before
// a connection to it is made (CheckAddress).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/web/ip_address.h"

namespace platter::registry {

// [import_filtering_opts]. Of each pair only the list of what is allowed counts, where it has anything in it; then
// nothing else is. Hosts are names or addresses, as URLs have them.
struct WebRules {
  std::vector<std::string> allowed_schemes = {"http", "https"};
  std::vector<std::string> disallowed_schemes = {};
  // These may have any address. All others must have a public one.
  std::vector<std::string> allowed_hosts = {};
  std::vector<std::string> disallowed_hosts = {};
  std::vector<std::uint16_t> allowed_ports = {80, 443};
  std::vector<std::uint16_t> disallowed_ports = {};
};

// A URL that has passed, in its parts. Text() is what is fetched: nobody has to read the original again.
struct WebUrl {
  std::string scheme;                // "http" or "https"
  std::string host;                  // lower case; of IPv6 without brackets
  std::optional<IpAddress> address;  // the host, where it is none that has to be looked up
  std::uint16_t port = 0;            // the scheme's own where none was given
  std::string target;                // path and query, "/" at least; without the fragment
  bool trusted = false;              // the host is one of allowed_hosts

  std::string Text() const;
};

// kDenied with a sentence that says what is wrong with it. Stricter than RFC 3986 where programs disagree: no user, no
// character but printable ASCII, hosts of letters, digits, '-', '_' and '.', addresses in their usual spelling only
// ("127.1", "0x7f000001" and "2130706433" are none), no zones, at most 8 KiB.
Result<WebUrl> CheckUrl(const WebRules& rules, std::string_view url);

// Whether the host of `url`, which has passed, may be asked at that address. kDenied.
Result<> CheckAddress(const WebRules& rules, const WebUrl& url, const IpAddress& address);

}  // namespace platter::registry
