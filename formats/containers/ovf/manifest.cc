#include "formats/containers/ovf/manifest.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

namespace platter::ovf {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

struct Algorithm {
  std::string_view name;
  DigestAlgorithm algorithm;
  std::size_t length;  // bytes of a digest
};
constexpr std::array kAlgorithms = {
    Algorithm{"SHA1", DigestAlgorithm::kSha1, SHA_DIGEST_LENGTH},
    Algorithm{"SHA256", DigestAlgorithm::kSha256, SHA256_DIGEST_LENGTH},
    Algorithm{"SHA512", DigestAlgorithm::kSha512, SHA512_DIGEST_LENGTH},
};

std::string_view Trimmed(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Error Wrong(std::string what, std::string_view structure, std::string field, std::string_view found) {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At(std::string(structure), std::move(field))
      .Found(std::string(found.substr(0, 128)));
}

Result<ManifestEntry> ParseLine(std::string_view text, std::size_t number) {
  constexpr std::string_view kStructure = "OVF manifest";
  const std::string field = fmt::format("line {}", number);
  DigestLine line = PLATTER_TRY(ParseDigestLine(text, kStructure, field));
  const std::size_t length = 2 * kAlgorithms[static_cast<std::size_t>(line.algorithm)].length;
  const auto hex = [](unsigned char letter) { return std::isxdigit(letter) != 0; };
  if (line.hex.size() != length || !std::ranges::all_of(line.hex, hex)) {
    return Wrong("not a digest", kStructure, field, line.hex).Allowed(fmt::format("{} hexadecimal digits", length));
  }
  std::ranges::transform(line.hex, line.hex.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return ManifestEntry{line.algorithm, std::move(line.file), std::move(line.hex)};
}

// OpenSSL's plain digests: EVP reads a configuration file, which a sandbox does not allow.
struct Sha1 {
  SHA_CTX state;
  static constexpr std::size_t kLength = SHA_DIGEST_LENGTH;
  bool Start() { return SHA1_Init(&state) == 1; }
  bool Add(std::span<const std::byte> bytes) { return SHA1_Update(&state, bytes.data(), bytes.size()) == 1; }
  bool End(unsigned char* digest) { return SHA1_Final(digest, &state) == 1; }
};
struct Sha256 {
  SHA256_CTX state;
  static constexpr std::size_t kLength = SHA256_DIGEST_LENGTH;
  bool Start() { return SHA256_Init(&state) == 1; }
  bool Add(std::span<const std::byte> bytes) { return SHA256_Update(&state, bytes.data(), bytes.size()) == 1; }
  bool End(unsigned char* digest) { return SHA256_Final(digest, &state) == 1; }
};
struct Sha512 {
  SHA512_CTX state;
  static constexpr std::size_t kLength = SHA512_DIGEST_LENGTH;
  bool Start() { return SHA512_Init(&state) == 1; }
  bool Add(std::span<const std::byte> bytes) { return SHA512_Update(&state, bytes.data(), bytes.size()) == 1; }
  bool End(unsigned char* digest) { return SHA512_Final(digest, &state) == 1; }
};

template <class Sha>
Result<std::string> Digest(Storage& file) {
  Sha sha;
  bool sound = sha.Start();
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPiece, file.size()));
  for (std::uint64_t at = 0; at < file.size(); at += piece.size()) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), file.size() - at));
    PLATTER_CHECK(file.ReadAt(at, part));
    sound = sha.Add(part) && sound;
  }
  std::array<unsigned char, Sha::kLength> digest{};
  if (!sound || !sha.End(digest.data())) return Error(ErrorKind::kIo, "a digest cannot be computed").In(file.name());
  std::string text;
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

}  // namespace

std::string_view DigestName(DigestAlgorithm algorithm) noexcept {
  return kAlgorithms[static_cast<std::size_t>(algorithm)].name;
}

// A name may hold any character, a parenthesis too: what is behind the last ")" with a "=" is the digest.
Result<DigestLine> ParseDigestLine(std::string_view line, std::string_view structure, std::string field) {
  const std::size_t open = line.find('(');
  const std::size_t equals = line.rfind('=');
  const std::size_t close = equals == std::string_view::npos ? equals : line.rfind(')', equals);
  if (open == std::string_view::npos || close == std::string_view::npos || close <= open + 1 ||
      !Trimmed(line.substr(close + 1, equals - close - 1)).empty()) {
    return Wrong("not a line with a digest", structure, std::move(field), line).Allowed("SHA256(FILE)= DIGEST");
  }
  std::string name(Trimmed(line.substr(0, open)));
  std::erase(name, '-');
  const auto* algorithm = std::ranges::find(kAlgorithms, name, &Algorithm::name);
  if (algorithm == kAlgorithms.end()) {
    return Error(ErrorKind::kUnsupported, "a digest of an unknown algorithm")
        .At(std::string(structure), std::move(field))
        .Found(name.substr(0, 32))
        .Allowed("SHA1, SHA256, SHA512");
  }
  return DigestLine{algorithm->algorithm, std::string(line.substr(open + 1, close - open - 1)),
                    std::string(Trimmed(line.substr(equals + 1)))};
}

Result<std::vector<ManifestEntry>> ParseManifest(std::span<const std::byte> text) {
  std::string_view rest(reinterpret_cast<const char*>(text.data()), text.size());
  std::vector<ManifestEntry> entries;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = Trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty()) entries.push_back(PLATTER_TRY(ParseLine(line, number)));
  }
  return entries;
}

Result<std::string> DigestOf(Storage& file, DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kSha1:
      return Digest<Sha1>(file);
    case DigestAlgorithm::kSha256:
      return Digest<Sha256>(file);
    case DigestAlgorithm::kSha512:
      return Digest<Sha512>(file);
  }
  return Error(ErrorKind::kInvalid, "no such digest");
}

}  // namespace platter::ovf
