// Takes a fuzzer's input apart into numbers and bytes, from its start; zeros once it is used up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace platter::fuzz {

class InputReader {
 public:
  explicit InputReader(std::span<const std::uint8_t> input) : rest_(input) {}

  bool empty() const noexcept { return rest_.empty(); }
  std::uint8_t Byte() noexcept {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  // Four bytes, little-endian.
  std::uint32_t Word() noexcept {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) value |= std::uint32_t{Byte()} << shift;
    return value;
  }
  // 0..bound-1. Requires: bound > 0.
  std::uint64_t Below(std::uint64_t bound) noexcept { return (bound <= 256 ? Byte() : Word()) % bound; }
  template <class Container>
  const auto& Pick(const Container& choices) noexcept {
    return choices[Below(std::size(choices))];
  }

  std::span<const std::uint8_t> Rest() noexcept { return rest_; }
  // What is left, as text.
  std::string_view Text() noexcept { return {reinterpret_cast<const char*>(rest_.data()), rest_.size()}; }

 private:
  std::span<const std::uint8_t> rest_;
};

}  // namespace platter::fuzz
