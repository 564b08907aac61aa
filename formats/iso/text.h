// Text out of volume descriptors, directory records and UDF identifiers, as UTF-8.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/iso/layout.h"

namespace platter::iso {

std::string_view AsText(std::span<const std::byte> bytes) noexcept;

// Without the padding: what follows the first zero, and spaces at the end.
std::string Trimmed(std::span<const std::byte> bytes);
// UCS-2 big-endian (Joliet), surrogate pairs taken as UTF-16; lone surrogates become U+FFFD, an odd last byte is
// dropped.
std::string Utf16BeToUtf8(std::span<const std::byte> bytes);
// The same without the padding.
std::string TrimmedUtf16(std::span<const std::byte> bytes);
// OSTA compressed Unicode (UDF 2.1.1): a byte 8 or 16, then that many bits a character. "" for anything else.
std::string CompressedUnicode(std::span<const std::byte> bytes);
// A dstring (UDF 2.1.3): a field of fixed size whose last byte is the length of the compressed Unicode.
std::string DString(std::span<const std::byte> field);

// Seconds since 1970 of year, month 1-12, day, hour, minute, second at `offset_minutes` east of UTC.
std::int64_t UnixTime(std::int64_t year, int month, int day, int hour, int minute, int second, int offset_minutes);
// 9.1.5: seven bytes; 0 where they are all zero.
std::int64_t RecordTime(std::span<const std::byte, 7> bytes);
// 8.4.26.1: seventeen bytes as "2024-05-06 07:08:09 +01:00"; "" when not given.
std::string DescriptorTime(std::span<const std::byte> bytes);

}  // namespace platter::iso
