// Opening an image and reading its guest disk.
#pragma once

#include <memory>
#include <optional>

#include "formats/core/driver.h"
#include "formats/core/image.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/extents.h"

namespace platter::vmdk {

// What an image says about itself before its other files are opened.
struct Foundation {
  Descriptor descriptor;
  std::optional<HostedExtent> hosted = {};  // set when the image's file is an extent that holds its own descriptor
  // Where the descriptor stands in the image's file, in bytes; no room: it is the whole file.
  std::uint64_t text_offset = 0;
  std::uint64_t text_room = 0;
};

// kNotThisFormat for a file that is no VMDK; kUnsupported for one extent of a larger image; kCorrupt, kIo.
Result<Foundation> ReadFoundation(Storage& storage, const OpenContext& context);

// The same of a file that holds its own descriptor, whose header has been read.
Result<Foundation> ReadEmbedded(Storage& storage, const HostedExtent& hosted, const OpenContext& context);

// The extents of the image in `storage`, in the order of the guest disk. As OpenExtents.
Result<std::vector<ExtentFile>> OpenAllExtents(std::shared_ptr<Storage> storage, const Foundation& foundation,
                                               const OpenContext& context);

// Adds what `descriptor` says of the disk's parent. kUnsupported for one without a name.
Result<> DescribeParent(const Descriptor& descriptor, const OpenContext& context, ImageInfo& info);

// FormatDriver::open.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::vmdk
