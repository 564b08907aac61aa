// The options of a new image, checked, and the header they make.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "formats/core/options.h"
#include "formats/core/preallocation.h"
#include "formats/core/result.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

struct CreateOptions {
  Header header;  // of the finished image
  Preallocation preallocation = Preallocation::kOff;

  // Every cluster has its place from the start.
  bool places_all() const noexcept { return preallocation != Preallocation::kOff; }
};

inline constexpr std::string_view kBundleOption = "bundle";

// qemu's words in the order in which it prints what it creates; then what qemu does not have.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{"cluster_size", OptionType::kSize, "Parallels image cluster size", "1048576"},
    OptionSpec{.name = "preallocation",
               .type = OptionType::kText,
               .help = "Preallocation mode (allowed values: off, falloc, full)",
               .of_host = true},
    OptionSpec{kBundleOption, OptionType::kFlag, "A folder with the image and its DiskDescriptor.xml", "", true},
};

// `values` of kCreateOptionSpecs for a disk of `virtual_size` guest bytes (option "size" is the caller's business).
// kInvalid, naming the option, for what is out of range.
Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size);

}  // namespace platter::ploop
