// Reading a VDI image's header from its file.
#pragma once

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vdi/header.h"

namespace platter::vdi {

// As ParseHeader; kIo.
Result<Header> ReadHeader(Storage& storage, Dialect dialect);

}  // namespace platter::vdi
