// CRC-32C (Castagnoli), which protects every structure of a VHDX file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace platter::vhdx {

class Crc32c {
 public:
  void Add(std::span<const std::byte> bytes) noexcept;
  std::uint32_t value() const noexcept { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFFFFFF;
};

// Of a structure whose 32-bit checksum field at `field_offset` counts as zero. Requires: the field lies inside.
std::uint32_t ChecksumOf(std::span<const std::byte> structure, std::size_t field_offset = 4) noexcept;

}  // namespace platter::vhdx
