// The texts of parent locators: UTF-16 in either byte order, and file URLs.
#pragma once

#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace platter::vhd {

// Up to the first zero or the end. What is no UTF-16 becomes U+FFFD.
template <std::endian Order>
std::string Utf8FromUtf16(std::span<const std::byte> text);

// Without a terminator. What is no UTF-8 becomes U+FFFD.
template <std::endian Order>
std::vector<std::byte> Utf16FromUtf8(std::string_view text);

// "/a b" of "file:///a%20b" and "file://localhost/a%20b", "b" of "file://./b"; "" for what is no file URL.
std::string PathFromUrl(std::string_view url);
// The reverse.
std::string UrlFromPath(std::string_view path);

}  // namespace platter::vhd
