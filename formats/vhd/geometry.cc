#include "formats/vhd/geometry.h"

#include <algorithm>

namespace platter::vhd {
namespace {

constexpr std::uint64_t kMaxCylindersPerHead = 1024;
constexpr std::uint64_t kMaxHeads = 16;
constexpr std::uint64_t kMinHeads = 4;

}  // namespace

Geometry GeometryFor(std::uint64_t sectors) noexcept {
  sectors = std::min(sectors, kLargestGeometry.sectors());
  std::uint64_t per_track = 255;
  std::uint64_t heads = kMaxHeads;
  std::uint64_t tracks = sectors / per_track;  // cylinders times heads
  if (sectors < std::uint64_t{65535} * 16 * 63) {
    per_track = 17;
    tracks = sectors / per_track;
    heads = std::max((tracks + kMaxCylindersPerHead - 1) / kMaxCylindersPerHead, kMinHeads);
    if (tracks >= heads * kMaxCylindersPerHead || heads > kMaxHeads) {
      per_track = 31;
      heads = kMaxHeads;
      tracks = sectors / per_track;
    }
    if (tracks >= heads * kMaxCylindersPerHead) {
      per_track = 63;
      heads = kMaxHeads;
      tracks = sectors / per_track;
    }
  }
  return {static_cast<std::uint16_t>(tracks / heads), static_cast<std::uint8_t>(heads),
          static_cast<std::uint8_t>(per_track)};
}

Geometry GeometryHolding(std::uint64_t sectors) noexcept {
  const std::uint64_t largest = kLargestGeometry.sectors();
  for (std::uint64_t tried = sectors; tried < largest; ++tried) {
    const Geometry geometry = GeometryFor(tried);
    if (geometry.sectors() >= sectors) return geometry;
  }
  return kLargestGeometry;
}

}  // namespace platter::vhd
