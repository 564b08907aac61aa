// The format extension of version 2: dirty bitmaps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

struct DirtyBitmap {
  std::string id;                 // a UUID's text
  std::uint64_t size = 0;         // guest bytes
  std::uint64_t granularity = 0;  // guest bytes
};

struct Extension {
  std::vector<DirtyBitmap> bitmaps;
  std::vector<std::uint64_t> unknown;  // magic numbers of sections that may be ignored
  std::uint64_t end = 0;               // host bytes: of the last cluster that belongs to it; 0: there is none
};

// kCorrupt for a wrong magic, checksum or section; kUnsupported for an unknown section that must be understood; kLimit;
// kIo.
Result<Extension> ReadExtension(Storage& storage, const Header& header, const Limits& limits);

}  // namespace platter::ploop
