// The formats that this build knows, and recognition among them.
#pragma once

#include <span>
#include <string_view>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

// Every driver, in the order of formats.def.
std::span<const FormatDriver* const> AllFormats() noexcept;

// By name or by qemu's name, in qemu's dialect by qemu's only; null when unknown.
const FormatDriver* FindFormat(std::string_view name, Dialect dialect = Dialect::kPlatter) noexcept;

// By a name that an image has for the format of its backing file, or a user in the place of it: the same, and qemu's
// names for a file or a device that is not looked into, which is raw.
const FormatDriver* FindHinted(std::string_view name, Dialect dialect = Dialect::kPlatter) noexcept;

// The format whose probe is surest about the file's bytes; raw where none is. In qemu's dialect only what qemu knows,
// by what it looks at. kIo when the file cannot be read.
Result<const FormatDriver*> ProbeFormat(Storage& storage, Dialect dialect = Dialect::kPlatter);

}  // namespace platter
