// Digest: one algorithm over one stream of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "convert/hash/algorithm.h"
#include "formats/core/result.h"

namespace platter {

// For one thread at a time. Starts out, and after Finish starts again, with the empty message.
class Digest {
 public:
  // One implementation of an algorithm.
  class Engine {
   public:
    virtual ~Engine() = default;
    virtual void Update(std::span<const std::byte> bytes) noexcept = 0;
    // Writes the digest and starts anew. False when the library refused some step since the last call.
    virtual bool Finish(std::span<std::byte> out) noexcept = 0;
  };

  // kUnsupported where OpenSSL is not there, or has been told not to offer the algorithm.
  static Result<Digest> Make(DigestAlgorithm algorithm);

  DigestAlgorithm algorithm() const noexcept { return algorithm_; }
  void Update(std::span<const std::byte> bytes) noexcept { engine_->Update(bytes); }
  // As Update with so many zeros.
  void UpdateZeros(std::uint64_t count) noexcept;
  Result<DigestValue> Finish();
  // One whole message. Requires: nothing was added since the last Finish.
  Result<DigestValue> Of(std::span<const std::byte> message);

 private:
  Digest(DigestAlgorithm algorithm, std::unique_ptr<Engine> engine)
      : algorithm_(algorithm), engine_(std::move(engine)) {}

  DigestAlgorithm algorithm_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace platter
