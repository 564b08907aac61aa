// Geometries: the ones that qemu-img 7.2 writes for the same sizes.
#include "formats/vhd/geometry.h"

#include <gtest/gtest.h>

#include <ostream>

namespace platter::vhd {

void PrintTo(const Geometry& geometry, std::ostream* out) {
  *out << geometry.cylinders << "/" << int{geometry.heads} << "/" << int{geometry.sectors_per_track};
}

namespace {

struct Case {
  std::uint64_t sectors;
  Geometry geometry;
};

constexpr Case kCases[] = {
    {1, {1, 4, 17}},
    {68, {1, 4, 17}},
    {69, {2, 4, 17}},
    {69631, {820, 5, 17}},
    {87040, {854, 6, 17}},
    {278256, {1023, 16, 17}},
    {278527, {562, 16, 31}},
    {507903, {504, 16, 63}},
    {66058272, {65534, 16, 63}},
    {66058273, {16191, 16, 255}},
    {66059281, {16192, 16, 255}},
    {267378720, {65534, 16, 255}},
    {267378721, kLargestGeometry},
    {267382801, kLargestGeometry},
};

TEST(Geometry, HoldsTheDiskAsQemuRoundsIt) {
  for (const Case& wanted : kCases) EXPECT_EQ(GeometryHolding(wanted.sectors), wanted.geometry) << wanted.sectors;
}

TEST(Geometry, OfTheSpecificationHoldsNoMoreThanTheDisk) {
  for (const Case& wanted : kCases) {
    if (wanted.sectors < 68) continue;
    EXPECT_LE(GeometryFor(wanted.sectors).sectors(), wanted.sectors);
  }
  EXPECT_EQ(GeometryFor(20480), (Geometry{301, 4, 17}));
}

}  // namespace
}  // namespace platter::vhd
