// The MBR and the chain of EBRs that holds logical partitions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/partition/partition_table.h"

namespace platter::partition {

struct MbrSlot {
  std::uint8_t type = 0;  // 0: unused
  bool active = false;
  std::uint64_t start = 0;  // sectors
  std::uint64_t count = 0;  // sectors
};

struct Mbr {
  std::uint32_t disk_signature = 0;
  std::array<MbrSlot, 4> slots;
  bool protective() const noexcept;  // has a slot of type 0xEE
  std::size_t used() const noexcept;
};

// Empty where sector 0 is no MBR: no signature, a boot flag that is none, a FAT or NTFS boot sector.
Result<std::optional<Mbr>> ReadMbr(Storage& disk);

// The MBR's partitions in bytes, logical ones included; damage goes to `findings`. kIo.
Result<std::vector<Partition>> ListMbr(Storage& disk, const Mbr& mbr, std::vector<std::string>& findings);

}  // namespace platter::partition
