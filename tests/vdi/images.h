// VDI images for tests: fixtures built byte by byte from the description of the format, and files on the way through
// the driver.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/support/guest.h"
#include "tests/support/image_bytes.h"

namespace platter::test {

inline const FormatDriver& Vdi() { return *FindFormat("vdi"); }

// An image of version 1.1 without blocks: header, map at 512 with `entries`, blocks of 4096 bytes from 1024 on, of
// which `stored` are in the file, each full of its place's number plus one.
struct Fixture {
  std::uint16_t minor_version = 1;
  std::uint32_t type = 1;
  std::uint32_t extra = 0;
  std::vector<std::uint32_t> entries = {};
  std::uint32_t stored = 0;
  std::uint8_t uuid = 0x11;  // of every byte
  std::uint8_t parent = 0;
  std::uint8_t fill = 0;  // added to the content
  static constexpr std::uint32_t kBlock = 4096;

  std::vector<std::byte> Bytes() const {
    std::vector<std::byte> bytes(1024 + stored * std::size_t{kBlock + extra});
    const auto count = static_cast<std::uint32_t>(entries.size());
    Poke<std::uint32_t>(bytes, 64, 0xBEDA107F);
    Poke<std::uint16_t>(bytes, 68, minor_version);
    Poke<std::uint16_t>(bytes, 70, 1);
    Poke<std::uint32_t>(bytes, 72, 0x180);
    Poke<std::uint32_t>(bytes, 76, type);
    Poke<std::uint32_t>(bytes, 340, 512);
    Poke<std::uint32_t>(bytes, 344, 1024);
    Poke<std::uint32_t>(bytes, 360, 512);
    Poke<std::uint64_t>(bytes, 368, std::uint64_t{count} * kBlock);
    Poke<std::uint32_t>(bytes, 376, kBlock);
    Poke<std::uint32_t>(bytes, 380, extra);
    Poke<std::uint32_t>(bytes, 384, count);
    Poke<std::uint32_t>(bytes, 388, stored);
    std::fill_n(bytes.begin() + 392, 32, std::byte{uuid});
    std::fill_n(bytes.begin() + 424, 16, std::byte{parent});
    std::fill_n(bytes.begin() + 440, 16, std::byte{parent});
    for (std::size_t i = 0; i < entries.size(); ++i) Poke(bytes, 512 + 4 * i, entries[i]);
    for (std::uint32_t place = 0; place < stored; ++place) {
      const std::size_t at = 1024 + place * std::size_t{kBlock + extra};
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), extra, std::byte{0xEE});
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at + extra), kBlock,
                  static_cast<std::byte>(place + 1 + fill));
    }
    return bytes;
  }
};

inline Result<std::shared_ptr<Image>> OpenVdi(std::shared_ptr<Storage> storage, Dialect dialect = Dialect::kPlatter) {
  return OpenAlone(Vdi(), std::move(storage), dialect);
}

inline Result<CreateRequest> NewVdi(std::shared_ptr<Storage> storage, std::uint64_t size, const std::string& options) {
  CreateRequest request;
  request.options = PLATTER_TRY(OptionValues::Parse(options, Vdi().create_options));
  request.virtual_size = size;
  request.storage = std::move(storage);
  return request;
}

inline Result<> WriteVdi(std::shared_ptr<Storage> storage, const GuestDisk& disk, const std::string& options) {
  const CreateRequest request = PLATTER_TRY(NewVdi(std::move(storage), disk.size, options));
  return WriteThroughDriver(Vdi(), request, disk, std::uint64_t{3} << 16);
}

}  // namespace platter::test
