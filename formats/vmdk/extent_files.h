// The files of a new image beyond the image file itself, and the descriptor in that.
#pragma once

#include <memory>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vmdk/descriptor.h"

namespace platter::vmdk {

// Makes the file of every extent, in order.
Result<std::vector<std::shared_ptr<Storage>>> MakeExtentFiles(const CreateRequest& request,
                                                              const std::vector<ExtentLine>& extents);

// Makes `storage` hold the descriptor and nothing else, on the disk when this returns: the image is valid then.
Result<> WriteDescriptorFile(Storage& storage, const Descriptor& descriptor);
// Makes `storage` hold nothing that could pass for an image.
Result<> ClearDescriptorFile(Storage& storage);

}  // namespace platter::vmdk
