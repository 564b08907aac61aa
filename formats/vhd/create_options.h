// What `create` is asked for, as the structures of the new image.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/vhd/header.h"

namespace platter::vhd {

struct CreateOptions {
  Footer footer;                       // complete; data_offset and current_size too
  std::optional<SparseHeader> sparse;  // complete; none of a fixed image
  std::vector<std::byte> locators;     // what stands between the header and the table: the parent's names
  std::uint64_t virtual_size() const noexcept { return footer.current_size; }  // guest bytes
};

// qemu's words, in the order in which it prints what it creates; then what only we have.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{"subformat", OptionType::kText,
               "Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} "},
    OptionSpec{"force_size", OptionType::kFlag,
               "Force disk size calculation to use the actual size specified, rather than using the nearest CHS-based "
               "calculation"},
    OptionSpec{"backing_file", OptionType::kText, "File name of the parent, a VHD", "", true},
    OptionSpec{"backing_fmt", OptionType::kText, "Image format of the parent: vpc", "", true},
    OptionSpec{"azure", OptionType::kFlag, "A fixed disk of whole MiB, as Azure wants it", "", true},
    OptionSpec{"uuid", OptionType::kText, "Unique id of the disk; a random one otherwise", "", true},
};

// For a disk of at least `virtual_size` guest bytes (option "size" is the caller's business), made at `path`.
// `parent_id`: of the backing file that the options name. kInvalid, kOutOfRange for a disk beyond 2040 GiB; the message
// names the option.
Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size,
                                         std::string_view parent_id, std::string_view path);

}  // namespace platter::vhd
