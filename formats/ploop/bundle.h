// Bundles: disks of several files, with snapshots, described by a DiskDescriptor.xml.
#pragma once

#include <memory>

#include "formats/core/driver.h"
#include "formats/ploop/descriptor.h"

namespace platter::ploop {

// Whether the file in `storage` is a descriptor. kIo.
Result<bool> IsBundle(Storage& storage);

// kIo; errors as ParseDescriptor.
Result<Descriptor> ReadDescriptor(Storage& storage, const Limits& limits);

// The active disk; its snapshots are the other images of the bundle. Errors as ReadDescriptor, OpenFile and the gate's;
// a file that only snapshots need may be missing as long as none of them is opened.
Result<std::shared_ptr<Image>> OpenBundle(std::shared_ptr<Storage> storage, const OpenContext& context);

// A bundle of one ploop image, beside the descriptor that `request.storage` becomes.
Result<std::unique_ptr<ImageWriter>> CreateBundle(const CreateRequest& request);

// Checks every ploop image in it; the figures are sums.
Result<CheckReport> CheckBundle(const CheckRequest& request);

}  // namespace platter::ploop
