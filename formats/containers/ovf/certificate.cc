#include "formats/containers/ovf/certificate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace platter::ovf {
namespace {

constexpr std::string_view kStructure = "OVF certificate";
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
// A key of 16384 bits is the longest that OpenSSL takes.
constexpr std::size_t kMostSignature = 2048;
constexpr std::size_t kMostDer = std::size_t{64} << 10;

Error Wrong(std::string what, std::string field) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At(std::string(kStructure), std::move(field));
}

std::optional<unsigned> DigitOf(char letter) noexcept {
  if (letter >= '0' && letter <= '9') return static_cast<unsigned>(letter - '0');
  if (letter >= 'a' && letter <= 'f') return static_cast<unsigned>(letter - 'a' + 10);
  if (letter >= 'A' && letter <= 'F') return static_cast<unsigned>(letter - 'A' + 10);
  return std::nullopt;
}

Result<std::vector<std::byte>> FromHex(std::string_view hex) {
  std::vector<std::byte> bytes;
  if (hex.empty() || hex.size() % 2 != 0 || hex.size() > 2 * kMostSignature) {
    return Wrong("not a signature", "signature").Found(hex.size()).Allowed("hexadecimal digits, two a byte");
  }
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    const auto high = DigitOf(hex[at]);
    const auto low = DigitOf(hex[at + 1]);
    if (!high || !low) return Wrong("not a signature", "signature").Found(std::string(hex.substr(at, 2)));
    bytes.push_back(static_cast<std::byte>(*high * 16 + *low));
  }
  return bytes;
}

// The six bits of a letter of RFC 4648's alphabet.
std::optional<std::uint32_t> SixBitsOf(char letter) noexcept {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t found = kLetters.find(letter);
  return found == std::string_view::npos ? std::nullopt : std::optional(static_cast<std::uint32_t>(found));
}

Result<std::vector<std::byte>> FromBase64(std::string_view text) {
  std::vector<std::byte> bytes;
  std::uint32_t bits = 0;
  std::size_t letters = 0;
  std::size_t padding = 0;
  for (const char letter : text) {
    if (std::string_view(" \t\r\n").find(letter) != std::string_view::npos) continue;
    if (letter == '=') {
      ++padding;
      continue;
    }
    const auto six = SixBitsOf(letter);
    if (!six || padding != 0) return Wrong("not base64", "certificate");
    bits = bits << 6 | *six;
    if (++letters % 4 == 1) continue;
    bytes.push_back(static_cast<std::byte>(bits >> (6 - 2 * ((letters - 1) % 4))));
  }
  return bytes;
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<Certificate> ParseCertificate(std::span<const std::byte> bytes) {
  std::string_view text = AsText(bytes);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return Wrong("the certificate is empty", "signature");
  text.remove_prefix(first);
  const std::size_t line_end = std::min(text.find('\n'), text.size());
  DigestLine line = PLATTER_TRY(ParseDigestLine(text.substr(0, line_end), kStructure, "signature"));
  Certificate certificate;
  certificate.signature = PLATTER_TRY(FromHex(line.hex));
  certificate.algorithm = line.algorithm;
  certificate.manifest = std::move(line.file);
  text.remove_prefix(line_end);
  const std::size_t begin = text.find(kBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : text.find(kEnd, begin);
  if (end == std::string_view::npos) return Wrong("there is no certificate behind the signature", "certificate");
  const std::string_view body = text.substr(begin + kBegin.size(), end - begin - kBegin.size());
  if (body.size() > 2 * kMostDer) {
    return Error(ErrorKind::kLimit, "the certificate is too long")
        .At(std::string(kStructure), "certificate")
        .Found(body.size());
  }
  certificate.x509 = PLATTER_TRY(FromBase64(body));
  if (certificate.x509.empty()) return Wrong("the certificate is empty", "certificate");
  return certificate;
}

}  // namespace platter::ovf
