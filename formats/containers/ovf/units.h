// Sizes as OVF has them: a number, and the programmatic unit that it counts (DSP0004, annex C.1), or a word of before.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/core/result.h"

namespace platter::ovf {

// Bytes in one unit: "byte * 2^30", "byte*10^9", "byte * 1024", "GigaBytes", "MB"; 1 for "byte" and for "". Empty for
// anything else and beyond 63 bits.
std::optional<std::uint64_t> ParseUnit(std::string_view text) noexcept;

// `number` of `unit`, in bytes; `field` names it. kCorrupt for what is no number, for an unknown unit, and beyond 63
// bits.
Result<std::uint64_t> ParseSize(std::string_view number, std::string_view unit, std::string_view field);

}  // namespace platter::ovf
