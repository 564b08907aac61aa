#include "formats/vhd/text.h"

#include <charconv>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::vhd {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

constexpr bool IsHighSurrogate(std::uint32_t unit) noexcept { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool IsLowSurrogate(std::uint32_t unit) noexcept { return unit >= 0xDC00 && unit <= 0xDFFF; }

void AppendUtf8(std::string& text, std::uint32_t point) {
  const auto trail = [&](int shift) { text += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    trail(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    trail(6);
    trail(0);
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    trail(12);
    trail(6);
    trail(0);
  }
}

// The code point at the front of `text`, which is not empty, taken off it.
std::uint32_t TakePoint(std::string_view& text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  bool good = length != 0 && text.size() >= length;
  std::uint32_t point = length <= 1 ? lead : lead & (0x7Fu >> length);
  for (std::size_t at = 1; good && at < length; ++at) {
    const auto next = static_cast<std::uint8_t>(text[at]);
    good = (next & 0xC0) == 0x80;
    point = point << 6 | (next & 0x3Fu);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  good = good && !overlong && point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
  text.remove_prefix(good ? length : 1);
  return good ? point : kReplacement;
}

}  // namespace

template <std::endian Order>
std::string Utf8FromUtf16(std::span<const std::byte> text) {
  std::string out;
  for (std::size_t at = 0; at + 2 <= text.size(); at += 2) {
    std::uint32_t point = Load<std::uint16_t, Order>(text.data() + at);
    if (point == 0) break;
    if (IsHighSurrogate(point) && at + 4 <= text.size()) {
      const std::uint32_t low = Load<std::uint16_t, Order>(text.data() + at + 2);
      if (IsLowSurrogate(low)) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        at += 2;
      }
    }
    AppendUtf8(out, point >= 0xD800 && point <= 0xDFFF ? kReplacement : point);
  }
  return out;
}

template <std::endian Order>
std::vector<std::byte> Utf16FromUtf8(std::string_view text) {
  std::vector<std::byte> out;
  const auto append = [&](std::uint32_t unit) {
    out.resize(out.size() + 2);
    Store<Order>(out.data() + out.size() - 2, static_cast<std::uint16_t>(unit));
  };
  while (!text.empty()) {
    const std::uint32_t point = TakePoint(text);
    if (point < 0x10000) {
      append(point);
    } else {
      append(0xD800 + ((point - 0x10000) >> 10));
      append(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  return out;
}

template std::string Utf8FromUtf16<std::endian::big>(std::span<const std::byte>);
template std::string Utf8FromUtf16<std::endian::little>(std::span<const std::byte>);
template std::vector<std::byte> Utf16FromUtf8<std::endian::big>(std::string_view);
template std::vector<std::byte> Utf16FromUtf8<std::endian::little>(std::string_view);

std::string PathFromUrl(std::string_view url) {
  constexpr std::string_view kScheme = "file://";
  if (!url.starts_with(kScheme)) return "";
  url.remove_prefix(kScheme.size());
  if (url.starts_with("localhost/")) url.remove_prefix(std::string_view("localhost").size());
  if (url.starts_with("./")) url.remove_prefix(2);
  std::string path;
  for (std::size_t at = 0; at < url.size(); ++at) {
    unsigned value = 0;
    const char* digits = url.data() + at + 1;
    if (url[at] == '%' && at + 2 < url.size() && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      path += static_cast<char>(value);
      at += 2;
    } else {
      path += url[at];
    }
  }
  return path.find('\0') == std::string::npos ? path : "";
}

std::string UrlFromPath(std::string_view path) {
  constexpr std::string_view kPlain = "/-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string url(path.starts_with('/') ? "file://" : "file://./");
  for (const char letter : path) {
    const auto code = static_cast<unsigned char>(letter);
    const bool plain = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= 'a' && letter <= 'z') || kPlain.find(letter) != std::string_view::npos;
    if (plain) {
      url += letter;
    } else {
      url += '%';
      url += kDigits[code >> 4];
      url += kDigits[code & 15];
    }
  }
  return url;
}

}  // namespace platter::vhd
