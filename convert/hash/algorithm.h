// The digest algorithms that Platter knows, and what they are called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"

namespace platter {

enum class DigestAlgorithm : std::uint8_t {
  kMd5,
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kBlake2b,  // 512 bits
  kBlake2s,  // 256 bits
  kSha3With256,
  kSha3With512,
  kCrc32c,  // against accidents only, as is
  kXxh3,    // XXH3 with 64 bits and no seed
};

struct DigestTraits {
  DigestAlgorithm algorithm;
  std::string_view name;     // on command lines and in JSON: "sha256"
  std::string_view tag;      // in lists of the BSD kind: "SHA256 (name) = ..."
  std::string_view evp;      // OpenSSL's name; "" for what OpenSSL does not have
  std::string_view another;  // one more name that is understood; "" for none
  std::size_t size;          // bytes of a digest
};

std::span<const DigestTraits> AllDigests() noexcept;
const DigestTraits& TraitsOf(DigestAlgorithm algorithm) noexcept;

// By name, tag or another name, whatever the case. Empty for an unknown one.
std::optional<DigestAlgorithm> FindDigest(std::string_view name) noexcept;
// "md5,sha512": at least one, none twice. kInvalid names what is wrong.
Result<std::vector<DigestAlgorithm>> ParseDigestList(std::string_view text);

constexpr std::size_t kLongestDigest = 64;  // bytes

// What an algorithm makes of a message.
struct DigestValue {
  std::array<std::byte, kLongestDigest> storage{};
  std::size_t size = 0;

  std::span<const std::byte> bytes() const noexcept { return std::span(storage).first(size); }
  // Lower case.
  std::string Hex() const;
  friend bool operator==(const DigestValue&, const DigestValue&) = default;
};

}  // namespace platter
