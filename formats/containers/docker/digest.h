// Digests as images name content by them: "sha256:0123...".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "formats/core/result.h"

namespace platter::docker {

enum class DigestAlgorithm : std::uint8_t { kSha256, kSha512 };

struct BlobDigest {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string hex;  // lower case, as many digits as the algorithm has

  std::string Text() const;  // "sha256:0123..."
  std::string File() const;  // where an image layout has the content: "blobs/sha256/0123..."
  friend bool operator==(const BlobDigest&, const BlobDigest&) = default;
};

// kCorrupt for what is no digest, kUnsupported for an algorithm that the image specification does not name.
Result<BlobDigest> ParseDigest(std::string_view text, std::string_view structure, std::string_view field);

// Whether these are the 64 lower-case hexadecimal digits of a SHA-256.
bool IsSha256(std::string_view text) noexcept;

// For one thread. Takes bytes until Finish.
class Hasher {
 public:
  explicit Hasher(DigestAlgorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Add(std::span<const std::byte> bytes);
  BlobDigest Finish();

 private:
  struct State;
  DigestAlgorithm algorithm_;
  std::unique_ptr<State> state_;
};

}  // namespace platter::docker
