// The guest disk's bytes, one after another: the file is the disk. There is no header; raw is what no other format is.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::raw {

// The virtual size is the file's size rounded up to whole sectors; bytes past the file's end read as zero.
inline constexpr std::uint64_t kSectorSize = 512;

// Options "offset" and "size" (bytes) open a part of the file.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);
Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);
Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::raw
