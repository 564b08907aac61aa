// Opening a qcow2 image for reading: the pieces that other verbs need too.
#pragma once

#include <string_view>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// The open option that names the external data file in place of the name in the header.
inline constexpr std::string_view kDataFileOption = "data-file";

// The header from the file. kNotThisFormat, kCorrupt, kUnsupported, kIo.
Result<Header> ReadHeader(Storage& storage, Tolerance tolerance = Tolerance::kOpen);

}  // namespace platter::qcow2
