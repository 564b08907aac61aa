// Marks of what is no disk format of ours: wrappings that are not looked into, and footers that fit nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace platter::inspect {

// "compressed" (gzip, bzip2, xz, zstd, lz4, zip, 7z), "tar" or "ovf" by the file's first bytes; "" for none. Static
// text.
std::string_view ForeignContainer(std::span<const std::byte> head) noexcept;

// Whether the file's last bytes are a VHD's footer, however little it fits the file: some programs look at nothing
// else.
bool EndsWithVhdFooter(std::span<const std::byte> tail) noexcept;

}  // namespace platter::inspect
