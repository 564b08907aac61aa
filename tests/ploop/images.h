// ploop images for tests: fixtures built byte by byte from the description of the format.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/support/guest.h"
#include "tests/support/image_bytes.h"

namespace platter::test {

inline const FormatDriver& Ploop() { return *FindFormat("ploop"); }

// Clusters of 8 sectors, the first at `data_sector`; `stored` of them in the file, each full of its number plus one.
struct Fixture {
  int version = 2;
  std::vector<std::uint32_t> entries = {};
  std::uint32_t stored = 0;
  std::uint32_t data_sector = 8;
  bool names_data_offset = true;
  std::uint64_t extension_sector = 0;
  std::uint8_t fill = 0;  // added to the content
  static constexpr std::uint32_t kSectors = 8;
  static constexpr std::uint32_t kCluster = kSectors * 512;

  std::vector<std::byte> Bytes() const {
    std::vector<std::byte> bytes(data_sector * 512 + stored * std::size_t{kCluster});
    const std::string_view magic = version == 1 ? "WithoutFreeSpace" : "WithouFreSpacExt";
    std::ranges::copy(std::as_bytes(std::span(magic)), bytes.begin());
    const auto count = static_cast<std::uint32_t>(entries.size());
    Poke<std::uint32_t>(bytes, 16, 2);
    Poke<std::uint32_t>(bytes, 28, kSectors);
    Poke<std::uint32_t>(bytes, 32, count);
    Poke<std::uint64_t>(bytes, 36, std::uint64_t{count} * kSectors);
    Poke<std::uint32_t>(bytes, 48, names_data_offset ? data_sector : 0);
    Poke<std::uint64_t>(bytes, 56, extension_sector);
    for (std::size_t i = 0; i < entries.size(); ++i) Poke(bytes, 64 + 4 * i, entries[i]);
    for (std::uint32_t place = 0; place < stored; ++place) {
      const std::size_t at = data_sector * 512 + place * std::size_t{kCluster};
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kCluster, static_cast<std::byte>(place + 1 + fill));
    }
    return bytes;
  }
};

// An extension with one dirty bitmap, and a section that nobody has to know.
inline std::vector<std::byte> WithExtension(std::uint64_t flags) {
  auto bytes = Fixture{.entries = {1}, .stored = 2, .extension_sector = 16}.Bytes();
  const std::size_t at = 16 * 512;
  std::fill_n(bytes.begin() + at, Fixture::kCluster, std::byte{0});
  Poke<std::uint64_t>(bytes, at, 0xAB234CEF23DCEA87);
  Poke<std::uint64_t>(bytes, at + 24, 0x1122334455667788);
  Poke<std::uint64_t>(bytes, at + 32, flags);
  Poke<std::uint32_t>(bytes, at + 40, 3);
  const std::size_t bitmap = at + 24 + 24 + 8;
  Poke<std::uint64_t>(bytes, bitmap, 0x20385FAE252CB34A);
  Poke<std::uint32_t>(bytes, bitmap + 16, 40);
  Poke<std::uint64_t>(bytes, bitmap + 24, 8);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(bitmap + 32), 16, std::byte{0xAB});
  Poke<std::uint32_t>(bytes, bitmap + 48, 128);
  Poke<std::uint32_t>(bytes, bitmap + 52, 1);
  unsigned length = 16;
  EVP_Digest(bytes.data() + at + 24, Fixture::kCluster - 24, reinterpret_cast<unsigned char*>(bytes.data() + at + 8),
             &length, EVP_md5(), nullptr);
  return bytes;
}

inline Result<std::shared_ptr<Image>> OpenPloop(std::shared_ptr<Storage> storage) {
  return OpenAlone(Ploop(), std::move(storage));
}

inline Result<> WritePloop(std::shared_ptr<Storage> storage, const GuestDisk& disk, const std::string& options) {
  CreateRequest request;
  request.options = PLATTER_TRY(OptionValues::Parse(options, Ploop().create_options));
  request.virtual_size = disk.size;
  request.storage = std::move(storage);
  return WriteThroughDriver(Ploop(), request, disk, std::uint64_t{3} << 16);
}

}  // namespace platter::test
