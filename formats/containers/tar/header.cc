#include "formats/containers/tar/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace platter::tar {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

std::optional<std::uint64_t> ParseBase256(std::string_view field) noexcept {
  // The first bit is the mark, the second the sign. The other six belong to the number for some programs only.
  if (field[0] != '\x80') return std::nullopt;
  std::uint64_t number = 0;
  for (const char byte : field.substr(1)) {
    if (number > kLargest >> 8) return std::nullopt;
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  return number;
}

Error Wrong(std::string what, const HeaderField& field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("tar header", std::string(field.name), offset + field.offset);
}

// Of either sign: times before 1970.
bool IsNumber(std::string_view field) noexcept { return field.front() == '\xFF' || ParseNumber(field).has_value(); }

// In front of the name where the magic says so. In GNU's header times stand there, which are a prefix to Python, star's
// ends earlier, and V7's has none: programs that know one of them only read another name.
void TakePrefix(std::span<const std::byte, kBlock> block, Header& header) {
  const std::string_view prefix = kPrefix.Text(block);
  if (prefix.empty()) return;
  const auto behind = [&](std::string_view text) { return fmt::format("{}/{}", text, header.name); };
  const std::string_view magic = kMagic.Raw(block);
  if (magic.starts_with(kUstarMagic.substr(0, 6))) {
    const bool star = kStarMagic.Raw(block) == kStarTrailer;
    if (star && prefix.size() >= kStarPrefixLength) header.other_name = behind(prefix.substr(0, kStarPrefixLength));
    header.name = behind(prefix);
    return;
  }
  header.other_name = behind(prefix);
}

// As far as it can be shown in a message.
std::string Shown(std::string_view raw) {
  std::string text;
  for (const char byte : raw.substr(0, raw.find('\0'))) {
    const auto value = static_cast<unsigned char>(byte);
    text += value >= 0x20 && value < 0x7F ? std::string(1, byte) : fmt::format("\\x{:02x}", value);
  }
  return text;
}

}  // namespace

std::optional<std::uint64_t> ParseNumber(std::string_view field) noexcept {
  if (field.empty()) return 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) return ParseBase256(field);
  std::size_t at = std::min(field.find_first_not_of(' '), field.size());
  std::uint64_t number = 0;
  for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at) {
    if (number > kLargest >> 3) return std::nullopt;
    number = number << 3 | static_cast<std::uint64_t>(field[at] - '0');
  }
  const bool ended = field.find_first_not_of(std::string_view(" \0", 2), at) == std::string_view::npos;
  return ended ? std::optional(number) : std::nullopt;
}

bool ChecksumFits(std::span<const std::byte, kBlock> block) noexcept {
  std::int64_t as_unsigned = 0;
  std::int64_t as_signed = 0;
  for (std::size_t at = 0; at < block.size(); ++at) {
    const bool own = at >= kChecksum.offset && at < kChecksum.offset + kChecksum.length;
    const auto byte = own ? static_cast<unsigned char>(' ') : std::to_integer<unsigned char>(block[at]);
    as_unsigned += byte;
    as_signed += static_cast<signed char>(byte);
  }
  const std::string_view digits = kChecksum.Raw(block);
  const auto said = ParseNumber(digits);
  const bool octal = digits.front() != '\x80';
  if (!said || !octal || digits.find_first_of("01234567") == std::string_view::npos) return false;
  return *said == static_cast<std::uint64_t>(as_unsigned) || *said == static_cast<std::uint64_t>(as_signed);
}

bool HasMagic(std::span<const std::byte, kBlock> block) noexcept { return kMagic.Raw(block).starts_with("ustar"); }

Result<Header> ParseHeader(std::span<const std::byte, kBlock> block, std::uint64_t offset) {
  if (!ChecksumFits(block)) {
    return Wrong("not a header: its checksum is wrong", kChecksum, offset)
        .Found(Shown(kChecksum.Raw(block)))
        .Allowed("the sum of the header's bytes, in octal");
  }
  Header header;
  header.type = static_cast<char>(std::to_integer<unsigned char>(block[kTypeAt]));
  header.name = kName.Text(block);
  header.link = kLinkName.Text(block);
  const auto size = ParseNumber(kSize.Raw(block));
  if (!size) {
    return Wrong("the member's size is no number", kSize, offset)
        .Found(Shown(kSize.Raw(block)))
        .Allowed(fmt::format("0 to {}, in octal or base 256", kLargest));
  }
  header.size = *size;
  TakePrefix(block, header);
  constexpr std::array kNumbers = {kMode, kOwner, kGroup, kTime, kDeviceMajor, kDeviceMinor};
  header.numbers = std::ranges::all_of(kNumbers, [&](const HeaderField& field) { return IsNumber(field.Raw(block)); });
  const bool gnu = kMagic.Raw(block) == kGnuMagic;
  header.sparse = gnu && kGnuSparse.Raw(block).find_first_not_of('\0') != std::string_view::npos;
  header.sparse_continues = header.type == kTypeGnuSparse && block[kSparseContinuesAt] != std::byte{0};
  return header;
}

Block MakeFileHeader(std::string_view name, std::uint64_t size) {
  constexpr std::uint64_t kLargestOctal = (std::uint64_t{1} << 33) - 1;
  std::string text(kBlock, '\0');
  const auto put = [&](const HeaderField& field, std::string_view value) {
    text.replace(field.offset, value.size(), value);
  };
  put(kName, name);
  put(kMode, "0000644");
  put(kOwner, "0000000");
  put(kGroup, "0000000");
  put(kTime, "00000000000");
  put(kMagic, kUstarMagic);
  text[kTypeAt] = kTypeFile;
  if (size <= kLargestOctal) {
    put(kSize, fmt::format("{:011o}", size));
  } else {
    text[kSize.offset] = '\x80';
    for (std::size_t at = 0; at < sizeof(size); ++at) {
      text[kSize.offset + kSize.length - 1 - at] = static_cast<char>(size >> (8 * at) & 0xFFU);
    }
  }
  put(kChecksum, "        ");
  unsigned sum = 0;
  for (const char byte : text) sum += static_cast<unsigned char>(byte);
  put(kChecksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  Block block{};
  std::ranges::copy(std::as_bytes(std::span(text)), block.begin());
  return block;
}

}  // namespace platter::tar
