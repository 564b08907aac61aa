#include "formats/core/checked.h"

#include <fmt/format.h>

namespace platter {

Result<ByteRange> ByteRange::Within(std::uint64_t offset, std::uint64_t length, std::uint64_t limit) {
  if (FitsWithin(offset, length, limit)) return ByteRange(offset, length);
  return Error(ErrorKind::kOutOfRange,
               fmt::format("{} bytes at offset {} reach past the end at {}", length, offset, limit));
}

}  // namespace platter
