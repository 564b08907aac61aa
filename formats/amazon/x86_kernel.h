// Kernels with the x86 boot protocol's setup header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/amazon/kernel.h"

namespace platter::amazon {

// The most that the setup code and its header can take: 255 sectors behind the boot sector, and where the payload
// starts.
inline constexpr std::size_t kLargestSetup = std::size_t{256} * 512;

// `head`: the file's first bytes, kLargestSetup of them where the file is that long. Empty without "HdrS",
// the boot flag and a version of the protocol that there is.
std::optional<Kernel> RecogniseX86Kernel(std::span<const std::byte> head, std::uint64_t file_size);

// The magic number and PE offset of an EFI application at the start of `head`.
bool HasPeHeader(std::span<const std::byte> head, std::uint32_t pe_offset);

}  // namespace platter::amazon
