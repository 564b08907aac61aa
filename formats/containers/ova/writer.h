// Makes an OVA of one disk: descriptor, manifest, and a streamOptimized VMDK, in the order that DSP0243 wants.
#pragma once

#include <memory>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::ova {

// The places of the parts follow from the options; what is known at the end only (the disk's size, digests) is filled
// in by Finish, and the archive's first header last. request.options: values of ovf::kCreateOptionSpecs. `disk_format`:
// vmdk's driver. kInvalid for options that are wrong, kUnsupported for a device.
Result<std::unique_ptr<ImageWriter>> CreateArchive(const CreateRequest& request, const FormatDriver& disk_format);

}  // namespace platter::ova
