// Arithmetic for numbers that come from files: nothing wraps, nothing leaves its bounds.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

#include "formats/core/result.h"

namespace platter {

template <std::unsigned_integral T>
constexpr std::optional<T> CheckedAdd(T a, T b) noexcept {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::unsigned_integral T>
constexpr std::optional<T> CheckedMultiply(T a, T b) noexcept {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Requires: divisor != 0. Never wraps.
template <std::unsigned_integral T>
constexpr T DivideRoundingUp(T value, T divisor) noexcept {
  return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

// Requires: `alignment` is a power of two.
template <std::unsigned_integral T>
constexpr T AlignDown(T value, T alignment) noexcept {
  return static_cast<T>(value & ~static_cast<T>(alignment - 1));
}

// Requires: `alignment` is a power of two. Empty when the result does not fit.
template <std::unsigned_integral T>
constexpr std::optional<T> CheckedAlignUp(T value, T alignment) noexcept {
  const auto sum = CheckedAdd(value, static_cast<T>(alignment - 1));
  if (!sum) return std::nullopt;
  return AlignDown(*sum, alignment);
}

// Requires: the result fits; for values already checked against a limit.
template <std::unsigned_integral T>
constexpr T AlignUp(T value, T alignment) noexcept {
  return AlignDown(static_cast<T>(value + (alignment - 1)), alignment);
}

constexpr bool IsAligned(std::uint64_t value, std::uint64_t alignment) noexcept {
  return (value & (alignment - 1)) == 0;
}

// `length` bytes from `offset`. Invariant: the end does not wrap and lies within the limit it was made with.
class ByteRange {
 public:
  // kOutOfRange unless offset + length <= limit.
  static Result<ByteRange> Within(std::uint64_t offset, std::uint64_t length, std::uint64_t limit);

  std::uint64_t offset() const noexcept { return offset_; }
  std::uint64_t length() const noexcept { return length_; }
  std::uint64_t end() const noexcept { return offset_ + length_; }
  bool empty() const noexcept { return length_ == 0; }

 private:
  ByteRange(std::uint64_t offset, std::uint64_t length) : offset_(offset), length_(length) {}

  std::uint64_t offset_;
  std::uint64_t length_;
};

// True when [offset, offset + length) lies inside [0, limit); wrap-safe.
constexpr bool FitsWithin(std::uint64_t offset, std::uint64_t length, std::uint64_t limit) noexcept {
  return offset <= limit && length <= limit - offset;
}

// The largest power of two that divides `value`; 0 for 0.
constexpr std::uint64_t LargestPowerIn(std::uint64_t value) noexcept { return value & (~value + 1); }

}  // namespace platter
