// What makes one disk known from another: unique ids and time stamps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/vhd/layout.h"

namespace platter::vhd {

// "7a5e..." as UUIDs are written; "" for an id of zeros.
std::string FormatId(const UniqueId& id);
// The reverse; empty for what is no UUID, or one of zeros.
std::optional<UniqueId> ParseId(std::string_view text) noexcept;

// A random UUID. Where SOURCE_DATE_EPOCH asks for builds that can be repeated, one that follows from it and `seed`.
UniqueId NewId(std::string_view seed);

// Now, or SOURCE_DATE_EPOCH, in seconds since kEpoch.
std::uint32_t CreationTimeStamp();

}  // namespace platter::vhd
