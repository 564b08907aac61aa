#include "formats/vhdx/utf16.h"

#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::vhdx {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

constexpr bool IsHighSurrogate(std::uint32_t unit) noexcept { return unit >= 0xD800 && unit < 0xDC00; }
constexpr bool IsLowSurrogate(std::uint32_t unit) noexcept { return unit >= 0xDC00 && unit < 0xE000; }

void AppendUtf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

void AppendUnit(std::vector<std::byte>& out, std::uint32_t unit) {
  out.push_back(static_cast<std::byte>(unit & 0xFF));
  out.push_back(static_cast<std::byte>(unit >> 8 & 0xFF));
}

// Takes one character from the front of `text`.
std::uint32_t TakePoint(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  if (first < 0x80) return first;
  const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  if (first < 0xC2 || first > 0xF4 || text.size() < more) return kReplacement;
  std::uint32_t point = first & (0x3FU >> more);
  for (std::size_t at = 0; at < more; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte & 0xC0) != 0x80) return kReplacement;
    point = point << 6 | (byte & 0x3FU);
  }
  text.remove_prefix(more);
  const bool overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
  const bool surrogate = IsHighSurrogate(point) || IsLowSurrogate(point);
  return overlong || surrogate || point > 0x10FFFF ? kReplacement : point;
}

}  // namespace

std::string Utf8FromUtf16(std::span<const std::byte> text) {
  std::string out;
  const std::size_t units = text.size() / 2;
  const auto unit_at = [&](std::size_t at) -> std::uint32_t { return LoadLe<std::uint16_t>(text.data() + 2 * at); };
  for (std::size_t at = 0; at < units; ++at) {
    const std::uint32_t unit = unit_at(at);
    if (IsHighSurrogate(unit) && at + 1 < units && IsLowSurrogate(unit_at(at + 1))) {
      AppendUtf8(out, 0x10000 + ((unit - 0xD800) << 10) + (unit_at(++at) - 0xDC00));
    } else {
      AppendUtf8(out, IsHighSurrogate(unit) || IsLowSurrogate(unit) ? kReplacement : unit);
    }
  }
  return out;
}

std::vector<std::byte> Utf16FromUtf8(std::string_view text) {
  std::vector<std::byte> out;
  while (!text.empty()) {
    const std::uint32_t point = TakePoint(text);
    if (point < 0x10000) {
      AppendUnit(out, point);
    } else {
      AppendUnit(out, 0xD800 + ((point - 0x10000) >> 10));
      AppendUnit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  return out;
}

}  // namespace platter::vhdx
