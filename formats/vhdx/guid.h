// GUIDs as VHDX stores them: the first three fields little-endian, the rest as it is written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace platter::vhdx {

struct Guid {
  static constexpr std::size_t kSize = 16;
  std::array<std::uint8_t, kSize> bytes{};  // as on the disk

  constexpr bool IsZero() const noexcept { return *this == Guid{}; }
  // "caa16737-fa36-4d43-b3b6-33f0aa44e76b".
  std::string Text() const;
  // As stored in a file. Requires: kSize bytes at `from`.
  static Guid Load(const std::byte* from) noexcept;
  void Store(std::byte* to) const noexcept;
  // From text in either case, with or without braces; empty for anything else.
  static constexpr std::optional<Guid> Parse(std::string_view text) noexcept;
  // A version 4 GUID from the system's random numbers.
  static Guid Random();
  // Version 5 in form: the same `name` gives the same GUID.
  static Guid FromName(std::string_view name);

  friend constexpr bool operator==(const Guid&, const Guid&) = default;
};

namespace detail {

// Place of each byte in the text order: "caa16737-fa36-4d43-..." stores 37 67 a1 ca 36 fa 43 4d.
inline constexpr std::array<std::size_t, Guid::kSize> kPlace = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

constexpr int HexValue(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace detail

constexpr std::optional<Guid> Guid::Parse(std::string_view text) noexcept {
  constexpr std::size_t kTextSize = 36;
  if (text.size() == kTextSize + 2 && text.front() == '{' && text.back() == '}') text = text.substr(1, kTextSize);
  if (text.size() != kTextSize) return std::nullopt;
  Guid guid;
  std::size_t digits = 0;
  for (std::size_t at = 0; at < kTextSize; ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (dash != (text[at] == '-')) return std::nullopt;
    if (dash) continue;
    const int value = detail::HexValue(text[at]);
    if (value < 0) return std::nullopt;
    std::uint8_t& byte = guid.bytes[detail::kPlace[digits / 2]];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
    ++digits;
  }
  return guid;
}

}  // namespace platter::vhdx
