// Cylinders, heads and sectors: the size of a VHD as old guests see it, and for most creators as readers do.
#pragma once

#include <cstdint>

namespace platter::vhd {

struct Geometry {
  std::uint16_t cylinders = 0;
  std::uint8_t heads = 0;
  std::uint8_t sectors_per_track = 0;

  std::uint64_t sectors() const noexcept { return std::uint64_t{cylinders} * heads * sectors_per_track; }
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

// What stands where the disk is larger than a geometry can say, or its exact size matters.
inline constexpr Geometry kLargestGeometry{65535, 16, 255};

// The geometry of a disk of that many sectors by the specification's appendix "CHS Calculation". It may hold fewer.
Geometry GeometryFor(std::uint64_t sectors) noexcept;

// The smallest geometry of that kind that holds all of them; kLargestGeometry when none does.
Geometry GeometryHolding(std::uint64_t sectors) noexcept;

}  // namespace platter::vhd
