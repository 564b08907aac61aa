// The LUKS header of an encrypted image, read only to be shown.
#pragma once

#include <cstdint>

#include "formats/core/detail.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

// The LUKS version 1 header in [offset, offset + length) of `storage`, as `qemu-img info` prints it; `nested`: inside
// another format, where qemu adds "format". kCorrupt when there is no such header, kIo.
Result<Detail> DescribeLuks(Storage& storage, std::uint64_t offset, std::uint64_t length, bool nested);

}  // namespace platter
