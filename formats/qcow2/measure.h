// How large an image will be, before it is made.
#pragma once

#include <cstdint>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// Bytes of the header and of all tables that a disk of header.virtual_size takes when every cluster is in use, or of an
// empty disk's where virtual_size is 0. Equal to qemu-img's figure.
std::uint64_t MetadataBytes(const Header& header) noexcept;

// Equal to qemu-img's figures. kInvalid for options that Create would refuse.
Result<Measurement> Measure(const MeasureRequest& request);

}  // namespace platter::qcow2
