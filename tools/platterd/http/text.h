// Small questions about text that headers and targets ask.
#pragma once

#include <string_view>

namespace platter::http {

// Whether two names of header fields are the same: ASCII letters match whatever their case.
bool SameName(std::string_view a, std::string_view b) noexcept;
// Takes one character off the front of UTF-8 text, which is not empty. U+FFFD, and one byte, where it is no UTF-8.
char32_t TakeCodePoint(std::string_view& text) noexcept;
bool IsUtf8(std::string_view text) noexcept;
// Without spaces and tabs at both ends.
std::string_view Trim(std::string_view text) noexcept;

}  // namespace platter::http
