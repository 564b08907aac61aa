#include "formats/vhdx/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>

namespace platter::vhdx {

void Crc32c::Add(std::span<const std::byte> bytes) noexcept {
  constexpr std::size_t kMost = std::size_t{1} << 30;  // its length is an int
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kMost));
    // ISA-L takes a pointer to non-const and only reads.
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(part.data()));
    state_ = crc32_iscsi(data, static_cast<int>(part.size()), state_);
    bytes = bytes.subspan(part.size());
  }
}

std::uint32_t ChecksumOf(std::span<const std::byte> structure, std::size_t field_offset) noexcept {
  constexpr std::array<std::byte, 4> kZeros{};
  Crc32c crc;
  crc.Add(structure.first(field_offset));
  crc.Add(kZeros);
  crc.Add(structure.subspan(field_offset + kZeros.size()));
  return crc.value();
}

}  // namespace platter::vhdx
