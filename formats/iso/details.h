// What `info` says about a volume.
#pragma once

#include "formats/core/detail.h"
#include "formats/core/storage.h"
#include "formats/iso/volume.h"

namespace platter::iso {

struct DetailsRequest {
  const Volume& volume;
  Storage& storage;          // the user data
  bool raw_sectors = false;  // the file holds sectors of 2352 bytes
  std::string_view tree;     // the names that are shown
};

// kIo.
Result<Detail> DetailsOf(const DetailsRequest& request);

}  // namespace platter::iso
