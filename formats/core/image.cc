#include "formats/core/image.h"

#include <algorithm>
#include <cassert>

#include "formats/core/storage.h"

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

Result<bool> Image::DoReadPacked(ByteRange /*range*/, PackedUnits& /*out*/) { return false; }

Result<bool> Image::ReadPacked(std::uint64_t guest_offset, std::uint64_t length, PackedUnits& out) {
  const auto range = PLATTER_TRY(ByteRange::Within(guest_offset, length, info().virtual_size));
  return DoReadPacked(range, out);
}

Result<> Image::ReadMapped(Storage& file, ByteRange range, std::span<std::byte> out) {
  while (!out.empty()) {
    const auto rest = PLATTER_TRY(ByteRange::Within(range.end() - out.size(), out.size(), range.end()));
    const LayerExtent extent = PLATTER_TRY(DoMap(rest));
    const auto part = out.first(extent.length);
    if (extent.status == BlockStatus::kData) {
      assert(extent.host && extent.host->file == &file);
      PLATTER_CHECK(file.ReadAt(extent.host->offset, part));
    } else {
      std::ranges::fill(part, std::byte{0});
    }
    out = out.subspan(part.size());
  }
  return Done{};
}

}  // namespace platter
