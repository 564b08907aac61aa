#include "formats/containers/docker/digest.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace platter::docker {
namespace {

bool IsHex(std::string_view text) noexcept {
  const auto hex = [](char letter) { return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f'); };
  return std::ranges::all_of(text, hex);
}

std::string_view NameOf(DigestAlgorithm algorithm) noexcept {
  return algorithm == DigestAlgorithm::kSha512 ? "sha512" : "sha256";
}

}  // namespace

std::string BlobDigest::Text() const { return fmt::format("{}:{}", NameOf(algorithm), hex); }
std::string BlobDigest::File() const { return fmt::format("blobs/{}/{}", NameOf(algorithm), hex); }

bool IsSha256(std::string_view text) noexcept { return text.size() == 2 * SHA256_DIGEST_LENGTH && IsHex(text); }

Result<BlobDigest> ParseDigest(std::string_view text, std::string_view structure, std::string_view field) {
  const auto wrong = [&](ErrorKind kind, std::string what) {
    return Error(kind, std::move(what))
        .At(std::string(structure), std::string(field))
        .Found(std::string(text.substr(0, 160)));
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong(ErrorKind::kCorrupt, "not a digest").Allowed("sha256:HEX");
  const std::string_view name = text.substr(0, colon);
  const std::string_view hex = text.substr(colon + 1);
  for (const DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha512}) {
    if (name != NameOf(algorithm)) continue;
    const std::size_t bytes = algorithm == DigestAlgorithm::kSha512 ? SHA512_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
    if (hex.size() == 2 * bytes && IsHex(hex)) return BlobDigest{algorithm, std::string(hex)};
    return wrong(ErrorKind::kCorrupt, "not a digest")
        .Allowed(fmt::format("{} lower-case hexadecimal digits", 2 * bytes));
  }
  return wrong(ErrorKind::kUnsupported, "a digest of an unknown algorithm").Allowed("sha256, sha512");
}

// OpenSSL's plain digests: EVP reads a configuration file, which a sandbox does not allow.
struct Hasher::State {
  SHA256_CTX sha256;
  SHA512_CTX sha512;
};

Hasher::Hasher(DigestAlgorithm algorithm) : algorithm_(algorithm), state_(std::make_unique<State>()) {
  SHA256_Init(&state_->sha256);
  SHA512_Init(&state_->sha512);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Add(std::span<const std::byte> bytes) {
  if (algorithm_ == DigestAlgorithm::kSha512) {
    SHA512_Update(&state_->sha512, bytes.data(), bytes.size());
  } else {
    SHA256_Update(&state_->sha256, bytes.data(), bytes.size());
  }
}

BlobDigest Hasher::Finish() {
  std::array<unsigned char, SHA512_DIGEST_LENGTH> digest{};
  std::size_t size = SHA256_DIGEST_LENGTH;
  if (algorithm_ == DigestAlgorithm::kSha512) {
    size = SHA512_DIGEST_LENGTH;
    SHA512_Final(digest.data(), &state_->sha512);
  } else {
    SHA256_Final(digest.data(), &state_->sha256);
  }
  BlobDigest made{algorithm_, ""};
  for (const unsigned char byte : std::span(digest).first(size)) {
    fmt::format_to(std::back_inserter(made.hex), "{:02x}", byte);
  }
  return made;
}

}  // namespace platter::docker
