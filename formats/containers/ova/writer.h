// Makes an OVA of one disk: descriptor, manifest, and a streamOptimized VMDK, in the order that DSP0243 wants.
#pragma once

#include <array>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::ova {

inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"name", OptionType::kText, "Name of the machine, and of the files (the target's name by default)"},
    OptionSpec{"cpus", OptionType::kNumber, "Processors", "1"},
    OptionSpec{"memory", OptionType::kSize, "Memory", "1G"},
    OptionSpec{"os", OptionType::kText, "Guest operating system, in words", "Other"},
    OptionSpec{"network", OptionType::kText, "Name of the network", "VM Network"},
    OptionSpec{"firmware", OptionType::kText, "bios or efi", "bios"},
};

// The places of the parts follow from the options; what is known at the end only (the disk's size, digests) is filled
// in by Finish, and the archive's first header last. request.options: values of kCreateOptionSpecs. `disk_format`:
// vmdk's driver. kInvalid for options that are wrong, kUnsupported for a device.
Result<std::unique_ptr<ImageWriter>> CreateArchive(const CreateRequest& request, const FormatDriver& disk_format);

}  // namespace platter::ova
