// Compression into one deflate stream at a time: a cluster of qcow2, a grain of vmdk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "formats/core/inflate.h"
#include "formats/core/result.h"

namespace platter {

// Levels: 1 to 3 are one, ISA-L's third; 4 to 9 are zlib's of that number.
inline constexpr int kFastestDeflate = 1;
inline constexpr int kSmallestDeflate = 9;
// The fastest: 4 % more bytes than zlib's level 6 on a mix, 7 % on programs, 6 % on text.
inline constexpr int kDefaultDeflate = kFastestDeflate;

// Holds some hundred KiB of working memory. One thread at a time. The output depends on the input alone, not on what
// was compressed before.
class Deflater {
 public:
  // No distance in the output is longer than 2^window_bits. Requires: 9 to 15; a level from fastest to smallest.
  Deflater(DeflateWrapper wrapper, std::uint16_t window_bits, int level = kDefaultDeflate);
  ~Deflater();
  Deflater(Deflater&&) noexcept;
  Deflater& operator=(Deflater&&) noexcept;

  // Compresses `bytes` into `out` and returns the number of bytes; 0 when they do not fit. What does not compress takes
  // DeflateBound at most.
  Result<std::size_t> Compress(std::span<const std::byte> bytes, std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Bytes that Deflater needs at most for `length` of input: stored blocks, zlib's of no less than 32767 bytes, and the
// wrapper.
constexpr std::size_t DeflateBound(std::size_t length) noexcept { return length + 5 * (length / 32767 + 1) + 6; }

// False for what cannot be the start of a deflate stream in that wrapper. Cheap; true says little.
bool LooksDeflated(DeflateWrapper wrapper, std::span<const std::byte> stream) noexcept;

}  // namespace platter
