// A streamOptimized disk that comes out of a pipe: its grains are found by their markers while they pass by. The
// tables, by which a file is read, come behind them, and are compared with what was found.
#pragma once

#include <memory>

#include "formats/core/driver.h"
#include "formats/core/image.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::vmdk {

// Null where the file has its grain directory in front: any reader can follow that. kCorrupt, kUnsupported, kIo as
// Open.
//
// The image is read forwards: what lies further back than the pipe is held is kUnsupported, grains that are not in the
// order of the disk, as every writer has them, kCorrupt. Reading the disk's last byte reads the stream to its end:
// kCorrupt where its tables lead to other grains than came by, and where footer and header differ.
Result<std::shared_ptr<Image>> OpenPassing(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::vmdk
