// What a new VMDK shall be: the options of create, parsed and checked, and the descriptor that follows from them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/core/driver.h"
#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {

enum class Subformat : std::uint8_t {
  kMonolithicSparse,
  kMonolithicFlat,
  kTwoGbMaxExtentSparse,
  kTwoGbMaxExtentFlat,
  kStreamOptimized,
};

inline constexpr std::string_view kCidOption = "cid";

struct CreateOptions {
  Subformat subformat = Subformat::kMonolithicSparse;
  bool zeroed_grain = false;
  bool has_backing = false;
  std::uint64_t sectors = 0;   // of the guest disk
  Descriptor descriptor = {};  // all but the extents

  bool flat() const noexcept {
    return subformat == Subformat::kMonolithicFlat || subformat == Subformat::kTwoGbMaxExtentFlat;
  }
  bool split() const noexcept {
    return subformat == Subformat::kTwoGbMaxExtentSparse || subformat == Subformat::kTwoGbMaxExtentFlat;
  }
  std::uint64_t virtual_size() const noexcept { return sectors * kSectorSize; }
};

// qemu's words, in the order in which it prints what it creates.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{"adapter_type", OptionType::kText,
               "Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX"},
    OptionSpec{"backing_file", OptionType::kText, "File name of a base image"},
    OptionSpec{"backing_fmt", OptionType::kText, "Must be 'vmdk' if present"},
    OptionSpec{"compat6", OptionType::kFlag, "VMDK version 6 image", "off"},
    OptionSpec{"hwversion", OptionType::kText, "VMDK hardware version", "undefined"},
    OptionSpec{"toolsversion", OptionType::kText, "VMware guest tools version"},
    OptionSpec{"subformat", OptionType::kText,
               "VMDK flat extent format, can be one of {monolithicSparse (default) | monolithicFlat | "
               "twoGbMaxExtentSparse | twoGbMaxExtentFlat | streamOptimized} "},
    OptionSpec{"zeroed_grain", OptionType::kFlag, "Enable efficient zero writes using the zeroed-grain GTE feature"},
    OptionSpec{kCidOption, OptionType::kText, "Content identifier, 8 hexadecimal digits (random by default)", "", true},
};

// kInvalid for values that are out of range or contradict each other, with qemu's message.
Result<CreateOptions> ParseCreateOptions(const CreateRequest& request);

// FormatDriver::can_stream.
bool IsStreamOptimized(const OptionValues& options) noexcept;

// A CID that no disk uses for something else.
std::uint32_t RandomCid();

// The extents of a disk that is not one file: "disk-flat.vmdk", "disk-s001.vmdk" or "disk-f001.vmdk" beside
// "disk.vmdk", of 2 GiB each where it is split; of the others, the one that is the image file itself. `image`: the path
// of the image file.
std::vector<ExtentLine> ExtentLines(const CreateOptions& options, std::string_view image);

}  // namespace platter::vmdk
