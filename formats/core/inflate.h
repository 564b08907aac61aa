// Deflate streams back to bytes (RFC 1951, bare or in zlib's wrapper), for the formats that compress their units one by
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "formats/core/result.h"

namespace platter {

enum class DeflateWrapper : std::uint8_t { kNone, kZlib };

struct Inflated {
  std::size_t length = 0;  // bytes made
  bool ended = false;      // the stream is whole, and its checksum right where it has one
};

// Reusable state for one thread at a time; holds no memory that a stream could make grow.
class DeflateInflater {
 public:
  explicit DeflateInflater(DeflateWrapper wrapper);
  ~DeflateInflater();
  DeflateInflater(DeflateInflater&&) noexcept;
  DeflateInflater& operator=(DeflateInflater&&) noexcept;

  // As much of the stream at the start of `in` as `out` takes. What follows the stream in `in` is ignored. kCorrupt
  // when the stream is damaged; not when it is cut short, which `ended` tells.
  Result<Inflated> Inflate(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  struct State;
  DeflateWrapper wrapper_;
  std::unique_ptr<State> state_;
};

}  // namespace platter
