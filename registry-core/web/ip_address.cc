#include "registry-core/web/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace platter::registry {
namespace {

struct Block {
  std::uint32_t first;  // the first 32 bits
  unsigned bits;        // of the prefix
  std::string_view use;
};

// The IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast (RFC 5771), class E (RFC 1112), and one public
// address that is special on every machine of one cloud.
constexpr Block kV4[] = {
    {0x00000000, 8, "unspecified"},
    {0x0A000000, 8, "private"},
    {0x64400000, 10, "shared by a carrier"},
    {0x7F000000, 8, "loopback"},
    {0xA83F8110, 32, "a cloud's own service"},  // 168.63.129.16
    {0xA9FE0000, 16, "link-local"},
    {0xAC100000, 12, "private"},
    {0xC0000000, 24, "reserved"},
    {0xC0000200, 24, "for documentation"},
    {0xC0586300, 24, "6to4"},
    {0xC0A80000, 16, "private"},
    {0xC6120000, 15, "for benchmarks"},
    {0xC6336400, 24, "for documentation"},
    {0xCB007100, 24, "for documentation"},
    {0xE0000000, 4, "multicast"},
    {0xF0000000, 4, "reserved"},
};

// The IANA IPv6 Special-Purpose Address Registry. Of the rest only 2000::/3 is global unicast (RFC 4291 2.4).
constexpr Block kV6[] = {
    {0x20010000, 23, "reserved"},  // Teredo, ORCHID, benchmarks
    {0x20010DB8, 32, "for documentation"}, {0x20020000, 16, "6to4"},
    {0x3FFF0000, 20, "for documentation"}, {0xFC000000, 7, "private"},
    {0xFE800000, 10, "link-local"},        {0xFEC00000, 10, "private"},  // site-local, RFC 3879
    {0xFF000000, 8, "multicast"},
};
constexpr Block kGlobalUnicast = {0x20000000, 3, ""};

constexpr bool Holds(const Block& block, std::uint32_t word) { return (word ^ block.first) >> (32 - block.bits) == 0; }

std::string_view UseIn(std::span<const Block> blocks, std::uint32_t word) {
  const auto found = std::ranges::find_if(blocks, [word](const Block& block) { return Holds(block, word); });
  return found == blocks.end() ? std::string_view() : found->use;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string owned(text);
  IpAddress address;
  address.v4_ = inet_pton(AF_INET, owned.c_str(), address.bytes_.data()) == 1;
  if (address.v4_ || inet_pton(AF_INET6, owned.c_str(), address.bytes_.data()) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::FromSocket(const sockaddr* address, std::size_t length) {
  IpAddress out;
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(out.bytes_.data(), &v4.sin_addr, 4);
    out.v4_ = true;
    return out;
  }
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::memcpy(out.bytes_.data(), &v6.sin6_addr, 16);
    return out;
  }
  return std::nullopt;
}

std::string IpAddress::Text() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::uint32_t IpAddress::Word(std::size_t index) const noexcept {
  std::uint32_t word = 0;
  for (std::size_t at = 4 * index; at < 4 * index + 4; ++at) word = word << 8 | bytes_[at];
  return word;
}

std::string_view IpAddress::SpecialUse() const noexcept {
  if (v4_) return UseIn(kV4, Word(0));
  if (Word(0) == 0 && Word(1) == 0 && Word(2) == 0) {
    if (Word(3) == 0) return "unspecified";
    return Word(3) == 1 ? "loopback" : "reserved";
  }
  if (Word(0) == 0 && Word(1) == 0 && Word(2) == 0xFFFF) return "an IPv4 address in disguise";
  if (Word(0) == 0x0064FF9B && Word(1) == 0 && Word(2) == 0) return UseIn(kV4, Word(3));
  const std::string_view use = UseIn(kV6, Word(0));
  return use.empty() && !Holds(kGlobalUnicast, Word(0)) ? "reserved" : use;
}

}  // namespace platter::registry
