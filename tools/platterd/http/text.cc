#include "tools/platterd/http/text.h"

#include <algorithm>
#include <cstddef>

namespace platter::http {
namespace {

constexpr char32_t kReplacement = 0xfffd;

char LowerCase(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 3629: how many bytes follow the first one, and the least value that takes so many; 0 for a byte that starts none.
std::size_t LengthOf(unsigned char first) noexcept {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

// The code point at the front and its length; length 0 where there is none.
std::size_t Decode(std::string_view text, char32_t& code) noexcept {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = LengthOf(first);
  if (length == 0 || length > text.size()) return 0;
  code = length == 1 ? first : first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80U) return 0;
    code = (code << 6) | (next & 0x3fU);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < kLeast[length] || code > 0x10ffff || surrogate ? 0 : length;
}

}  // namespace

bool SameName(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return LowerCase(x) == LowerCase(y); });
}

char32_t TakeCodePoint(std::string_view& text) noexcept {
  char32_t code = 0;
  const std::size_t length = Decode(text, code);
  text.remove_prefix(std::max<std::size_t>(length, 1));
  return length == 0 ? kReplacement : code;
}

bool IsUtf8(std::string_view text) noexcept {
  while (!text.empty()) {
    char32_t code = 0;
    const std::size_t length = Decode(text, code);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view Trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace platter::http
