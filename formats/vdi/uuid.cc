#include "formats/vdi/uuid.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>

namespace platter::vdi {
namespace {

// Where the bytes of the text stand in the file: the first three fields are little-endian numbers.
constexpr std::array<std::size_t, kUuidBytes> kTextOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::size_t kTextSize = 36;

constexpr bool HasDashBefore(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

std::optional<unsigned> HexDigit(char letter) noexcept {
  if (letter >= '0' && letter <= '9') return static_cast<unsigned>(letter - '0');
  if (letter >= 'a' && letter <= 'f') return static_cast<unsigned>(letter - 'a' + 10);
  if (letter >= 'A' && letter <= 'F') return static_cast<unsigned>(letter - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string ToText(const Uuid& uuid) {
  std::string text;
  for (std::size_t byte = 0; byte < kUuidBytes; ++byte) {
    if (HasDashBefore(byte)) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(uuid[kTextOrder[byte]]));
  }
  return text;
}

std::optional<Uuid> ParseUuid(std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  if (text.size() != kTextSize) return std::nullopt;
  Uuid uuid{};
  std::size_t at = 0;
  for (std::size_t byte = 0; byte < kUuidBytes; ++byte) {
    if (HasDashBefore(byte) && text[at++] != '-') return std::nullopt;
    const auto high = HexDigit(text[at++]);
    const auto low = HexDigit(text[at++]);
    if (!high || !low) return std::nullopt;
    uuid[kTextOrder[byte]] = static_cast<std::byte>(*high << 4 | *low);
  }
  return uuid;
}

Result<Uuid> RandomUuid() {
  Uuid uuid{};
  if (getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
    return Error::FromErrno(errno, "no random numbers for a UUID");
  }
  uuid[kTextOrder[6]] = (uuid[kTextOrder[6]] & std::byte{0x0F}) | std::byte{0x40};
  uuid[kTextOrder[8]] = (uuid[kTextOrder[8]] & std::byte{0x3F}) | std::byte{0x80};
  return uuid;
}

}  // namespace platter::vdi
