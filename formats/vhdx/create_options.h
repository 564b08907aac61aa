// The options of a new image, checked, and the disk they make.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/vhdx/metadata.h"

namespace platter::vhdx {

struct CreateOptions {
  Metadata metadata;  // the virtual size is whole sectors
  std::uint64_t log_size = 0;
  bool zero_state = true;  // blocks that hold nothing are marked as zeros
  // Makes every GUID in the file follow from the disk's: the same disk and options give the same bytes.
  bool reproducible = false;

  bool has_parent() const noexcept { return metadata.geometry.has_parent; }
};

// qemu's words, in the order in which it prints what it creates, then our own.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size; max of 64TB."},
    OptionSpec{"log_size", OptionType::kSize, "Log size; min 1MB.", "1048576"},
    OptionSpec{"block_size", OptionType::kSize,
               "Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size.", "0"},
    OptionSpec{"subformat", OptionType::kText,
               "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'."},
    OptionSpec{"block_state_zero", OptionType::kFlag,
               "Force use of payload blocks of type 'ZERO'. Non-standard, but default.  Do not set to 'off' when using "
               "'qemu-img convert' with subformat=dynamic."},
    OptionSpec{"logical_sector_size", OptionType::kSize, "Logical sector size, 512 or 4096", "", true},
    OptionSpec{"backing_file", OptionType::kText, "File name of the parent, which makes a differencing disk", "", true},
    OptionSpec{"backing_fmt", OptionType::kText, "Image format of the parent (vhdx)", "", true},
    OptionSpec{"uuid", OptionType::kText, "The disk's GUID, from which every other one follows; random without it", "",
               true},
};

// What the caller knows of the backing file that the options name: ImageInfo::id; "" where it was not opened.
// `values` of kCreateOptionSpecs for a disk of `virtual_size` guest bytes (option "size" is the caller's business).
// kInvalid for values that are out of range or contradict each other; the message names the option.
Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size,
                                         const std::string& backing_id);

}  // namespace platter::vhdx
