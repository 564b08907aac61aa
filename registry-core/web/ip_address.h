// IpAddress: an address of the internet, and whether it is one that anybody may be sent to.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace platter::registry {

class IpAddress {
 public:
  // The one usual spelling of each kind: four decimal numbers without leading zeros; IPv6 as RFC 4291 2.2 has it,
  // without brackets and without a zone.
  static std::optional<IpAddress> Parse(std::string_view text);
  // Empty for what is neither AF_INET nor AF_INET6.
  static std::optional<IpAddress> FromSocket(const sockaddr* address, std::size_t length);

  bool is_v4() const noexcept { return v4_; }
  // In the canonical spelling (RFC 5952), without brackets.
  std::string Text() const;
  // What it is where it is no address of the public internet ("loopback", "private", "link-local", ...), "" for a
  // public one. IPv6 addresses that stand for an IPv4 address are public only for NAT64 (RFC 6052) and a public IPv4
  // address.
  std::string_view SpecialUse() const noexcept;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  IpAddress() = default;
  std::uint32_t Word(std::size_t index) const noexcept;

  std::array<std::uint8_t, 16> bytes_{};  // in network order; of IPv4 the first four
  bool v4_ = false;
};

}  // namespace platter::registry
