#include "tests/support/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace platter::test {
namespace {

constexpr std::size_t kPart = std::size_t{1} << 20;

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (EVP_DigestInit_ex(context_->digest, EVP_sha256(), nullptr) != 1) throw std::runtime_error("no SHA-256");
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_->digest); }

void Sha256::Add(std::span<const std::byte> bytes) { EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()); }

void Sha256::AddZeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 65536> kZeros{};
  while (count > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()));
    Add(std::span(kZeros).first(part));
    count -= part;
  }
}

std::string Sha256::Hex() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context_->digest, value.data(), &length);
  std::string text;
  for (const unsigned char byte : std::span(value).first(length)) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string Sha256OfBytes(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.Add(bytes);
  return digest.Hex();
}

std::string Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  Sha256 digest;
  std::vector<char> part(kPart);
  while (file) {
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    digest.Add(std::as_bytes(std::span(part).first(static_cast<std::size_t>(file.gcount()))));
  }
  if (file.bad()) throw std::runtime_error("cannot read " + path);
  return digest.Hex();
}

std::string Sha256OfGuest(const Chain& chain) {
  Sha256 digest;
  std::vector<std::byte> part(kPart);
  const std::uint64_t size = chain.virtual_size();
  for (std::uint64_t at = 0; at < size;) {
    const auto extent = chain.Map(at, size - at);
    if (!extent.ok()) return "error: " + extent.error().Describe();
    if (extent.value().status != BlockStatus::kData) {
      digest.AddZeros(extent.value().length);
      at += extent.value().length;
      continue;
    }
    const auto bytes = std::span(part).first(std::min<std::uint64_t>(part.size(), extent.value().length));
    const auto read = chain.ReadAt(at, bytes);
    if (!read.ok()) return "error: " + read.error().Describe();
    digest.Add(bytes);
    at += bytes.size();
  }
  return digest.Hex();
}

}  // namespace platter::test
