// Bytes that look like nothing and do not compress, the same each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/guest.h"

namespace platter::test {

inline std::vector<std::byte> Noise(std::size_t size, std::uint64_t seed = 1) {
  std::vector<std::byte> bytes(size);
  GuestDisk{size, {{0, size, GuestRange::Kind::kNoise, seed}}}.Fill(0, bytes);
  return bytes;
}

}  // namespace platter::test
