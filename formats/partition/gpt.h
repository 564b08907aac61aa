// The GUID partition table (UEFI 2.10, section 5.3): one copy of its header and entries.
#pragma once

#include <cstdint>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/partition/partition_table.h"

namespace platter::partition {

struct GptCopy {
  PartitionTable table;
  std::uint64_t alternate_lba = 0;
  std::uint64_t last_usable = 0;  // LBA
};

// True when the sector at `lba` starts with a GPT header's signature.
Result<bool> HasGptSignature(Storage& disk, std::uint64_t lba, std::uint32_t sector_size);

// The copy whose header lies at `lba`. kCorrupt naming field, offset, value found and values allowed; kLimit; kIo.
Result<GptCopy> ReadGptCopy(Storage& disk, std::uint64_t lba, std::uint32_t sector_size);

}  // namespace platter::partition
