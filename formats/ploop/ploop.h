// ploop: the disk images of Parallels and OpenVZ, single files and bundles (folders with a DiskDescriptor.xml).
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::ploop {

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);
Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);
Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::ploop
