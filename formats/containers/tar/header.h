// One header block of a tar archive: bytes in, values out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/containers/tar/layout.h"
#include "formats/core/result.h"

namespace platter::tar {

using Block = std::array<std::byte, kBlock>;

struct Header {
  char type = kTypeFile;
  std::string name;  // with the prefix in front of it
  // What some programs call it, where they differ on what is a prefix.
  std::optional<std::string> other_name = {};
  std::string link;
  std::uint64_t size = 0;  // bytes
  // GNU's header with a map of holes in it: to libarchive the member is a sparse file, whatever its type says.
  bool sparse = false;
  bool sparse_continues = false;  // type S: a block of the sparse map follows
  // Mode, owner, time and device are numbers. Where one is none, some programs take the archive to end here.
  bool numbers = true;
};

// Octal digits, with spaces in front and spaces or NULs behind, or base 256; empty for anything else, for a negative
// number, and beyond 63 bits. No digits at all are 0. Of digits behind a NUL some programs see nothing, and some all:
// they are no number.
std::optional<std::uint64_t> ParseNumber(std::string_view field) noexcept;

// Whether the block carries its own checksum, in octal: as unsigned bytes or, as some old programs had it, as signed
// ones. A block of zeros does not.
bool ChecksumFits(std::span<const std::byte, kBlock> block) noexcept;
// Whether it is marked as ustar or GNU, which V7 headers are not.
bool HasMagic(std::span<const std::byte, kBlock> block) noexcept;

// Of a block at host byte `offset`. kCorrupt for a checksum or a number that is none.
Result<Header> ParseHeader(std::span<const std::byte, kBlock> block, std::uint64_t offset);

// The header of a plain file, the same for the same name and size: no owner, no time, mode 0644. A size beyond eleven
// octal digits is in base 256. Requires: name.size() < 100.
Block MakeFileHeader(std::string_view name, std::uint64_t size);

}  // namespace platter::tar
