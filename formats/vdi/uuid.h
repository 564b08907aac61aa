// The identifiers by which images know each other.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "formats/vdi/layout.h"

namespace platter::vdi {

// As it lies in the file.
using Uuid = std::array<std::byte, kUuidBytes>;

inline bool IsNull(const Uuid& uuid) noexcept { return uuid == Uuid{}; }

// "53dda878-6346-0b4a-a743-70b26c534203", lower case.
std::string ToText(const Uuid& uuid);
// The same with or without braces, in either case; empty for anything else.
std::optional<Uuid> ParseUuid(std::string_view text);
// Of version 4. kIo when the host has no random numbers.
Result<Uuid> RandomUuid();

}  // namespace platter::vdi
