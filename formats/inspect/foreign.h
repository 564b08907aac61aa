// Marks of what is no disk format of ours: wrappings that are not looked into, and footers that fit nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace platter::inspect {

struct Wrapping {
  // "compressed" (streams such as gzip, and archives that compress, such as zip), "tar", "cpio", "ar" or "ovf"; "" for
  // none. Static text.
  std::string_view container = {};
  // A single stream, which a kernel or a ramdisk in it is meant to be in.
  bool yields_to_content = false;
};

// By the file's first bytes.
Wrapping ForeignContainer(std::span<const std::byte> head) noexcept;

// How much of a file's end a zip's directory is looked for in: the record that ends it, with the longest comment.
inline constexpr std::uint64_t kZipTail = 22 + 65535;

// By the file's last bytes, kZipTail of them or the whole of a shorter file: programs find a zip by the record at its
// end, whatever stands in front. The record counts where it accounts for everything up to the file's end.
Wrapping ForeignContainerAtTheEnd(std::span<const std::byte> tail, std::uint64_t file_size) noexcept;

// Whether the file's last bytes are a VHD's footer, however little it fits the file: some programs look at nothing
// else.
bool EndsWithVhdFooter(std::span<const std::byte> tail, std::uint64_t file_size) noexcept;

}  // namespace platter::inspect
