// UTF-16LE, the encoding of the texts in a VHDX file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace platter::vhdx {

// What is no character becomes U+FFFD; an odd last byte is ignored.
std::string Utf8FromUtf16(std::span<const std::byte> text);
// What is no character becomes U+FFFD.
std::vector<std::byte> Utf16FromUtf8(std::string_view text);

}  // namespace platter::vhdx
