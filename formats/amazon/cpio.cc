#include "formats/amazon/cpio.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "formats/amazon/layout.h"
#include "formats/core/checked.h"

namespace platter::amazon {
namespace {

constexpr std::array<std::string_view, CpioHeader::kFieldCount> kFieldNames = {
    "c_ino",      "c_mode",     "c_uid",       "c_gid",       "c_nlink",    "c_mtime", "c_filesize",
    "c_devmajor", "c_devminor", "c_rdevmajor", "c_rdevminor", "c_namesize", "c_check"};
constexpr std::uint64_t kLongestName = 4096;  // PATH_MAX, the kernel's bound

std::size_t FieldOffset(std::size_t field) { return CpioHeader::kMagicBytes + field * CpioHeader::kFieldBytes; }

Error Bad(std::uint64_t offset, std::size_t field, std::string found, std::string allowed) {
  return Error(ErrorKind::kCorrupt, "cpio archive is damaged")
      .At("cpio header", std::string(kFieldNames[field]), offset + FieldOffset(field))
      .Found(std::move(found))
      .Allowed(std::move(allowed));
}

// Empty for anything but eight hexadecimal digits.
std::optional<std::uint32_t> ParseHex(std::span<const std::byte> digits) {
  std::uint32_t value = 0;
  for (const std::byte b : digits) {
    const auto c = static_cast<char>(b);
    const char lower = static_cast<char>(c | 0x20);
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      digit = static_cast<std::uint32_t>(lower - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

std::uint64_t CpioEntry::data_offset() const noexcept {
  return AlignUp<std::uint64_t>(CpioHeader::kSize + name_size, 4);
}

std::uint64_t CpioEntry::next() const noexcept { return AlignUp<std::uint64_t>(data_offset() + data_size, 4); }

bool HasCpioMagic(std::span<const std::byte> head) noexcept {
  if (head.size() < CpioHeader::kMagicBytes) return false;
  return std::memcmp(head.data(), "070701", 6) == 0 || std::memcmp(head.data(), "070702", 6) == 0;
}

Result<CpioEntry> ParseCpioHeader(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (!HasCpioMagic(bytes)) {
    return Error(ErrorKind::kNotThisFormat, "no cpio archive")
        .At("cpio header", "c_magic", offset)
        .Allowed("070701 or 070702");
  }
  std::array<std::uint64_t, CpioHeader::kFieldCount> values{};
  for (std::size_t field = 0; field < values.size(); ++field) {
    const auto digits = bytes.subspan(FieldOffset(field), CpioHeader::kFieldBytes);
    const auto value = ParseHex(digits);
    if (!value) {
      std::string text(reinterpret_cast<const char*>(digits.data()), digits.size());
      for (char& c : text) c = c < 0x20 || c == 0x7F ? '?' : c;
      return Bad(offset, field, text, "eight hexadecimal digits");
    }
    values[field] = *value;
  }
  CpioEntry entry;
  entry.type = bytes[5] == std::byte{'1'} ? "newc" : "crc";
  entry.mode = values[CpioHeader::kMode];
  entry.data_size = values[CpioHeader::kFileSize];
  entry.name_size = values[CpioHeader::kNameSize];
  if (entry.name_size < 2 || entry.name_size > kLongestName) {
    return Bad(offset, CpioHeader::kNameSize, std::to_string(entry.name_size), "2 to 4096");
  }
  return entry;
}

}  // namespace platter::amazon
