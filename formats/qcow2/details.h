// What `info` says about a qcow2 image beyond what every image has.
#pragma once

#include <span>

#include "formats/core/detail.h"
#include "formats/core/image.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/bitmaps.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// qemu's keys in qemu's order. Reads the LUKS header of an encrypted image: kCorrupt, kIo.
Result<Detail> Describe(Storage& storage, const Header& header, std::span<const BitmapRecord> bitmaps);

// How the disk is encrypted: AES, or what its LUKS header says. Only for images with a crypt_method: kCorrupt where the
// LUKS header is missing or damaged, kIo.
Result<Detail> DescribeEncryption(Storage& storage, const Header& header);

// What qemu does not print: "unknown-extensions" where there are any.
Detail DescribeFurther(const Header& header);

}  // namespace platter::qcow2
