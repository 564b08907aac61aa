// Copies an ISO from another image: the same bytes as a raw file, refused unless they are a volume.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::iso {

// The writer answers kInvalid as soon as it sees that the guest disk is no ISO 9660 or UDF volume.
Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);
// kInvalid for an empty disk and for a source that is no volume.
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::iso
