// Persistent dirty bitmaps: the directory, and the bits behind it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/core/image.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

struct BitmapRecord {
  BitmapInfo info;
  std::uint64_t table_offset = 0;  // host bytes; aligned and inside the file
  std::uint32_t table_size = 0;    // entries, one per cluster of bits
};

// Every entry of the directory that `header` points at. kCorrupt, kUnsupported (a bitmap type or extra data that nobody
// knows), kLimit, kIo.
Result<std::vector<BitmapRecord>> ReadBitmapDirectory(Storage& storage, const Header& header, const Limits& limits);

// The bits from `first_bit` on, lowest bit of each byte first; bits past the disk's end are 0. kInvalid unless
// first_bit is a multiple of 8; kCorrupt, kIo.
Result<> ReadBitmapBits(Storage& storage, const Header& header, const BitmapRecord& bitmap, std::uint64_t first_bit,
                        std::span<std::byte> out);

}  // namespace platter::qcow2
