// Makes an appliance of one disk as files in a folder: descriptor, manifest, and a streamOptimized VMDK.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::ovf {

// The files that are made beside the descriptor `target`, whose names follow from its own. kInvalid for a name that
// does not end in ".ovf", or that a descriptor cannot say.
Result<std::vector<std::string>> FilesBeside(const std::string& target);

// The descriptor is written last, by Finish, its first byte at the very end: until then nothing looks like an
// appliance. request.options: values of kCreateOptionSpecs. `disk_format`: vmdk's driver. kInvalid for options that
// are wrong and as FilesBeside, kUnsupported for a device.
Result<std::unique_ptr<ImageWriter>> CreateFolder(const CreateRequest& request, const FormatDriver& disk_format);

}  // namespace platter::ovf
