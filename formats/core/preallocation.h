// How much of a new image's space is taken from the host before anything is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

enum class Preallocation : std::uint8_t {
  kOff,
  kFalloc,  // reserved, so that writing cannot fail for want of space
  kFull,    // written with zeros
};

// "off", "falloc" or "full"; empty for any other word.
std::optional<Preallocation> PreallocationOf(std::string_view word) noexcept;
// The value of option "preallocation" of a format for which qemu hands it to the file below, in whose words the
// refusals are. kInvalid.
Result<Preallocation> ParsePreallocation(const OptionValues& values);

// Takes the range as `mode` says, growing the file. kIo.
Result<> Preallocate(Storage& storage, Preallocation mode, std::uint64_t offset, std::uint64_t length);

}  // namespace platter
