// Marks of what is no disk format of ours: wrappings that are not looked into, and footers that fit nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace platter::inspect {

struct Wrapping {
  // "compressed" (gzip, bzip2, xz, zstd, lz4, zip, 7z), "tar" or "ovf"; "" for none. Static text.
  std::string_view container = {};
  // A single stream, which a kernel or a ramdisk in it is meant to be in.
  bool yields_to_content = false;
};

// By the file's first bytes.
Wrapping ForeignContainer(std::span<const std::byte> head) noexcept;

// Whether the file's last bytes are a VHD's footer, however little it fits the file: some programs look at nothing
// else.
bool EndsWithVhdFooter(std::span<const std::byte> tail, std::uint64_t file_size) noexcept;

}  // namespace platter::inspect
