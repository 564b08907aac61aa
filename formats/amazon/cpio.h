// One header of a cpio archive in the forms that the kernel unpacks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/core/result.h"

namespace platter::amazon {

struct CpioEntry {
  std::string_view type;  // "newc", "crc"
  std::uint64_t mode = 0;
  std::uint64_t data_size = 0;  // bytes
  std::uint64_t name_size = 0;  // bytes, its closing zero included

  // Bytes from the header's start to the data, and to the next header.
  std::uint64_t data_offset() const noexcept;
  std::uint64_t next() const noexcept;
};

// Both magic numbers that we know: "070701" and "070702".
bool HasCpioMagic(std::span<const std::byte> head) noexcept;

// `bytes`: at least CpioHeader::kSize of them, which lie at `offset` of the file. kNotThisFormat without the magic
// number, kCorrupt naming the field.
Result<CpioEntry> ParseCpioHeader(std::span<const std::byte> bytes, std::uint64_t offset);

}  // namespace platter::amazon
