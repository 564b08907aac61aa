// The options of a new image, checked, and the header they make.
#pragma once

#include <array>
#include <cstdint>

#include "formats/core/options.h"
#include "formats/core/preallocation.h"
#include "formats/core/result.h"
#include "formats/vdi/header.h"

namespace platter::vdi {

struct CreateOptions {
  Header header;  // of the finished image, but for the number of allocated blocks of a dynamic one
  Preallocation preallocation = Preallocation::kOff;

  // Every block has its place from the start.
  bool places_all() const noexcept { return header.type == ImageType::kStatic || preallocation != Preallocation::kOff; }
};

// qemu's words in the order in which it prints what it creates; then what qemu does not have.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{"static", OptionType::kFlag, "VDI static (pre-allocated) image", "off"},
    OptionSpec{.name = "preallocation",
               .type = OptionType::kText,
               .help = "Preallocation mode (allowed values: off, falloc, full)",
               .of_host = true},
    OptionSpec{"block_size", OptionType::kSize, "VDI block size, a power of two", "", true},
    OptionSpec{"uuid", OptionType::kText, "UUID of the image, in place of a random one", "", true},
};

// `values` of kCreateOptionSpecs for a disk of `virtual_size` guest bytes (option "size" is the caller's business).
// kInvalid, naming the option, for what is out of range; kUnsupported for a disk that is too large; kIo without random
// numbers.
Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size);

}  // namespace platter::vdi
