// What the files of a new appliance hold, in any packing.
#pragma once

#include <memory>
#include <string>

#include "formats/containers/ovf/machine.h"
#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/writer.h"

namespace platter::ovf {

// Writes the disk of `request` into `storage`, which is empty: a streamOptimized VMDK. `disk_format`: vmdk's driver.
Result<std::unique_ptr<ImageWriter>> CreateDisk(const CreateRequest& request, std::shared_ptr<Storage> storage,
                                                const FormatDriver& disk_format);

// The manifest with the SHA-256 of both files; the disk's is read. kIo.
Result<std::string> NewManifest(const Machine& machine, const std::string& descriptor, Storage& disk);
// As long as it will be, without the digests.
std::string EmptyManifest(const Machine& machine);

}  // namespace platter::ovf
