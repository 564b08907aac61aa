#include "formats/core/image.h"

#include <cassert>

namespace platter {

Result<LayerExtent> Image::Map(std::uint64_t guest_offset, std::uint64_t length) {
  const auto range = PLATTER_TRY(ByteRange::Within(guest_offset, length, info().virtual_size));
  if (range.empty()) return Error(ErrorKind::kOutOfRange, "an empty range has no extent");
  const LayerExtent extent = PLATTER_TRY(DoMap(range));
  assert(extent.length >= 1 && extent.length <= range.length());
  return extent;
}

Result<> Image::ReadAt(std::uint64_t guest_offset, std::span<std::byte> out) {
  const auto range = PLATTER_TRY(ByteRange::Within(guest_offset, out.size(), info().virtual_size));
  if (range.empty()) return Done{};
  return DoRead(range, out);
}

}  // namespace platter
