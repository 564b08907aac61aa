// Wrappings that are recognised and not looked into.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace platter::inspect {

// "compressed" (gzip, bzip2, xz, zstd, lz4, zip, 7z), "tar" or "ovf" by the file's first bytes; "" for none. Static
// text.
std::string_view ForeignContainer(std::span<const std::byte> head) noexcept;

}  // namespace platter::inspect
