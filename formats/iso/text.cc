#include "formats/iso/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace platter::iso {
namespace {

void AppendUtf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string WithoutPadding(std::string text) {
  text.resize(std::min(text.find('\0'), text.size()));
  text.resize(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::string_view AsText(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string Trimmed(std::span<const std::byte> bytes) { return WithoutPadding(std::string(AsText(bytes))); }

std::string Utf16BeToUtf8(std::span<const std::byte> bytes) {
  std::string out;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) {
    const std::uint32_t unit = LoadBe<std::uint16_t>(bytes.data() + at);
    if (unit < 0xD800 || unit >= 0xE000) {
      AppendUtf8(out, unit);
      continue;
    }
    const std::uint32_t low = at + 3 < bytes.size() ? LoadBe<std::uint16_t>(bytes.data() + at + 2) : 0;
    if (unit < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
      AppendUtf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
      at += 2;
    } else {
      AppendUtf8(out, 0xFFFD);
    }
  }
  return out;
}

std::string TrimmedUtf16(std::span<const std::byte> bytes) { return WithoutPadding(Utf16BeToUtf8(bytes)); }

std::string CompressedUnicode(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "";
  const auto width = std::to_integer<unsigned>(bytes.front());
  if (width == 16) return Utf16BeToUtf8(bytes.subspan(1));
  if (width != 8) return "";
  std::string out;
  for (const std::byte byte : bytes.subspan(1)) AppendUtf8(out, std::to_integer<std::uint32_t>(byte));
  return out;
}

std::string DString(std::span<const std::byte> field) {
  const std::size_t length = std::min(std::to_integer<std::size_t>(field.back()), field.size() - 1);
  return WithoutPadding(CompressedUnicode(field.first(length)));
}

std::int64_t UnixTime(std::int64_t year, int month, int day, int hour, int minute, int second, int offset_minutes) {
  // Days from 1970-01-01 in the Gregorian calendar, with years that start in March.
  const std::int64_t shifted = month <= 2 ? year - 1 : year;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const std::int64_t year_of_era = shifted - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const std::int64_t days = era * 146097 + day_of_era - 719468;
  return days * 86400 + hour * 3600 + minute * 60 + second - std::int64_t{offset_minutes} * 60;
}

std::int64_t RecordTime(std::span<const std::byte, 7> bytes) {
  if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) return 0;
  const auto number = [&](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  const auto quarters = static_cast<std::int8_t>(number(6));
  return UnixTime(1900 + number(0), std::clamp(number(1), 1, 12), number(2), number(3), number(4), number(5),
                  quarters * 15);
}

std::string DescriptorTime(std::span<const std::byte> bytes) {
  const std::string_view digits = AsText(bytes.first(16));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::ranges::all_of(digits, digit) || digits.substr(0, 4) == "0000") return "";
  const int minutes = static_cast<std::int8_t>(std::to_integer<int>(bytes[16])) * 15;
  const int size = minutes < 0 ? -minutes : minutes;
  const auto part = [&](std::size_t at, std::size_t length) { return digits.substr(at, length); };
  return fmt::format("{}-{}-{} {}:{}:{} {}{:02}:{:02}", part(0, 4), part(4, 2), part(6, 2), part(8, 2), part(10, 2),
                     part(12, 2), minutes < 0 ? '-' : '+', size / 60, size % 60);
}

}  // namespace platter::iso
