// The LUKS header inside an encrypted qcow2 image, read only to be shown.
#pragma once

#include "formats/core/detail.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// As `qemu-img info` prints it. Requires: header.luks_header. kCorrupt when there is no LUKS version 1 header, kIo.
Result<Detail> DescribeLuks(Storage& storage, const Header& header);

}  // namespace platter::qcow2
