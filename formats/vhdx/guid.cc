#include "formats/vhdx/guid.h"

#include <fmt/format.h>
#include <isa-l/crc64.h>
#include <sys/random.h>

#include <cstring>
#include <vector>

namespace platter::vhdx {
namespace {

// Marks the bytes as a GUID of that version, of the variant that everybody uses.
Guid Marked(Guid guid, unsigned version) noexcept {
  guid.bytes[7] = static_cast<std::uint8_t>((guid.bytes[7] & 0x0F) | version << 4);
  guid.bytes[8] = static_cast<std::uint8_t>((guid.bytes[8] & 0x3F) | 0x80);
  return guid;
}

}  // namespace

std::string Guid::Text() const {
  std::string text;
  for (std::size_t at = 0; at < kSize; ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    text += fmt::format("{:02x}", bytes[detail::kPlace[at]]);
  }
  return text;
}

Guid Guid::Load(const std::byte* from) noexcept {
  Guid guid;
  std::memcpy(guid.bytes.data(), from, kSize);
  return guid;
}

void Guid::Store(std::byte* to) const noexcept { std::memcpy(to, bytes.data(), kSize); }

Guid Guid::Random() {
  Guid guid;
  // Requests of this size are never cut short.
  while (getrandom(guid.bytes.data(), kSize, 0) != static_cast<ssize_t>(kSize)) {
  }
  return Marked(guid, 4);
}

Guid Guid::FromName(std::string_view name) {
  Guid guid;
  const std::vector<unsigned char> text(name.begin(), name.end());
  std::uint64_t state = 0;
  for (std::size_t half = 0; half < 2; ++half) {
    state = crc64_ecma_refl(state ^ half, text.data(), text.size());
    std::memcpy(guid.bytes.data() + half * sizeof(state), &state, sizeof(state));
  }
  return Marked(guid, 5);
}

}  // namespace platter::vhdx
