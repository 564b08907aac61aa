#include "convert/hash/algorithm.h"

#include <fmt/format.h>

#include <algorithm>

namespace platter {
namespace {

using enum DigestAlgorithm;

// In the order of the enumeration.
constexpr std::array kDigests = {
    DigestTraits{kMd5, "md5", "MD5", "MD5", "", 16},
    DigestTraits{kSha1, "sha1", "SHA1", "SHA1", "sha-1", 20},
    DigestTraits{kSha224, "sha224", "SHA224", "SHA224", "sha2-224", 28},
    DigestTraits{kSha256, "sha256", "SHA256", "SHA256", "sha2-256", 32},
    DigestTraits{kSha384, "sha384", "SHA384", "SHA384", "sha2-384", 48},
    DigestTraits{kSha512, "sha512", "SHA512", "SHA512", "sha2-512", 64},
    DigestTraits{kBlake2b, "blake2b", "BLAKE2b", "BLAKE2B512", "blake2b-512", 64},
    DigestTraits{kBlake2s, "blake2s", "BLAKE2s", "BLAKE2S256", "blake2s-256", 32},
    DigestTraits{kSha3With256, "sha3-256", "SHA3-256", "SHA3-256", "", 32},
    DigestTraits{kSha3With512, "sha3-512", "SHA3-512", "SHA3-512", "", 64},
    DigestTraits{kCrc32c, "crc32c", "CRC32C", "", "crc-32c", 4},
    DigestTraits{kXxh3, "xxh3", "XXH3", "", "xxh3-64", 8},
};

constexpr char LowerCase(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameWord(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return LowerCase(x) == LowerCase(y); });
}

std::string KnownNames() {
  std::string names;
  for (const DigestTraits& digest : kDigests) {
    if (!names.empty()) names += ", ";
    names += digest.name;
  }
  return names;
}

}  // namespace

std::span<const DigestTraits> AllDigests() noexcept { return kDigests; }

const DigestTraits& TraitsOf(DigestAlgorithm algorithm) noexcept {
  return kDigests[static_cast<std::size_t>(algorithm)];
}

std::optional<DigestAlgorithm> FindDigest(std::string_view name) noexcept {
  if (name.empty()) return std::nullopt;
  for (const DigestTraits& digest : kDigests) {
    for (const std::string_view known : {digest.name, digest.tag, digest.evp, digest.another}) {
      if (SameWord(known, name)) return digest.algorithm;
    }
  }
  return std::nullopt;
}

Result<std::vector<DigestAlgorithm>> ParseDigestList(std::string_view text) {
  std::vector<DigestAlgorithm> algorithms;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    const auto found = FindDigest(name);
    if (!found) {
      return Error(ErrorKind::kInvalid, fmt::format("unknown digest '{}'", name)).Allowed(KnownNames());
    }
    if (std::ranges::find(algorithms, *found) != algorithms.end()) {
      return Error(ErrorKind::kInvalid, fmt::format("digest '{}' is asked for twice", name));
    }
    algorithms.push_back(*found);
    if (comma == std::string_view::npos) return algorithms;
    text.remove_prefix(comma + 1);
  }
}

std::string DigestValue::Hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (const std::byte byte : bytes()) {
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

}  // namespace platter
