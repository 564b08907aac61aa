// One reference count inside a refcount block, for every width (section "Refcount block entry"). Counts narrower than a
// byte are packed from the lowest bit up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/core/bytes.h"

namespace platter::qcow2 {

// The largest count that `order` (bits = 2^order) can hold.
constexpr std::uint64_t MaxRefcount(std::uint32_t order) noexcept {
  return order == 6 ? ~std::uint64_t{0} : (std::uint64_t{1} << (1U << order)) - 1;
}

// Requires: entry `index` lies inside `block`.
inline std::uint64_t GetRefcount(std::span<const std::byte> block, std::uint64_t index, std::uint32_t order) noexcept {
  switch (order) {
    case 3:
      return std::to_integer<std::uint64_t>(block[index]);
    case 4:
      return LoadBe<std::uint16_t>(block.data() + index * 2);
    case 5:
      return LoadBe<std::uint32_t>(block.data() + index * 4);
    case 6:
      return LoadBe<std::uint64_t>(block.data() + index * 8);
    default:
      break;
  }
  const std::uint64_t bit = index << order;
  return std::to_integer<std::uint64_t>(block[bit / 8]) >> (bit % 8) & MaxRefcount(order);
}

// Requires: entry `index` lies inside `block`, count <= MaxRefcount(order).
inline void SetRefcount(std::span<std::byte> block, std::uint64_t index, std::uint32_t order,
                        std::uint64_t count) noexcept {
  switch (order) {
    case 3:
      block[index] = static_cast<std::byte>(count);
      return;
    case 4:
      StoreBe(block.data() + index * 2, static_cast<std::uint16_t>(count));
      return;
    case 5:
      StoreBe(block.data() + index * 4, static_cast<std::uint32_t>(count));
      return;
    case 6:
      StoreBe(block.data() + index * 8, count);
      return;
    default:
      break;
  }
  const std::uint64_t bit = index << order;
  const std::byte mask = static_cast<std::byte>(MaxRefcount(order) << (bit % 8));
  block[bit / 8] = (block[bit / 8] & ~mask) | static_cast<std::byte>(count << (bit % 8));
}

}  // namespace platter::qcow2
