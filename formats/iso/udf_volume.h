// UDF's volume structures: from the anchor over the volume descriptor sequence to the file set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/findings.h"
#include "formats/iso/udf_layout.h"

namespace platter::iso {

// Where something lies in a logical volume.
struct UdfAddress {
  std::uint32_t block = 0;      // of the partition, logical blocks
  std::uint16_t partition = 0;  // index of the logical volume's partition maps
};

struct UdfPartition {
  std::uint16_t number = 0;
  std::uint64_t start = 0;   // host bytes
  std::uint64_t length = 0;  // bytes
};

struct UdfVolume {
  std::string recognition;     // "NSR02" or "NSR03"; "" when only an anchor was found
  std::uint16_t revision = 0;  // BCD: 0x0102, 0x0201
  std::uint32_t sector_size = 0;
  std::uint32_t block_size = 0;
  std::string volume_id;
  std::string logical_volume_id;
  std::string volume_set_id;
  std::string application;
  std::vector<UdfPartition> maps;  // by partition reference number
  UdfAddress root;                 // of the root directory's file entry
  std::uint64_t claimed_size = 0;  // bytes: the furthest end of a partition

  // The host offset of a block, whose `length` bytes lie inside the partition. kCorrupt otherwise.
  Result<std::uint64_t> HostOffset(UdfAddress address, std::uint64_t length) const;
};

// A tag that is right about its checksum, CRC and location. kCorrupt, by field, for anything else. `bytes` start with
// the tag and hold the whole descriptor; `location` is the block that it was read from.
Result<> CheckUdfTag(std::span<const std::byte> bytes, udf::TagId id, std::uint32_t location,
                     std::uint64_t host_offset);

// `recognition` as found in the volume recognition sequence. kCorrupt where no anchor leads to a volume; kUnsupported,
// by name, for virtual, sparable and metadata partitions. What does not keep from reading is a finding.
Result<UdfVolume> ReadUdfVolume(Storage& storage, std::string recognition, Findings& findings);

}  // namespace platter::iso
