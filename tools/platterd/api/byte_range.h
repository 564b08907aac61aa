// The part of a file that a request asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/core/result.h"

namespace platter::platterd {

struct ByteSpan {
  std::uint64_t offset = 0;  // bytes
  std::uint64_t length = 0;  // bytes, at least 1
};

// What "Range: bytes=0-99" (also "bytes=100-" and "bytes=-5") asks for of a file of `size` bytes, cut at its end.
// kOutOfRange for a range outside the file and for a text that is no range of bytes; kInvalid for several.
Result<ByteSpan> ParseRange(std::string_view text, std::uint64_t size);

// The same for "Content-Range: bytes 0-99/1000", with which older clients ask.
Result<ByteSpan> ParseContentRange(std::string_view text, std::uint64_t size);

}  // namespace platter::platterd
