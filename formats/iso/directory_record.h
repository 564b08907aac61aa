// Directory records, ECMA-119 9.1, and the reader that takes them one after another out of a directory's extent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/findings.h"
#include "formats/iso/layout.h"

namespace platter::iso {

struct DirectoryRecord {
  std::uint64_t host_offset = 0;               // of the record
  std::uint32_t extent = 0;                    // logical block
  std::uint32_t data_length = 0;               // bytes
  std::uint8_t extended_attribute_blocks = 0;  // in front of the data, in the extent
  std::uint8_t flags = 0;
  std::uint8_t unit_size = 0;  // interleaving; 0: the extent is in one piece
  std::uint8_t gap_size = 0;
  std::int64_t modified = 0;          // Unix time
  std::string name;                   // identifier as stored: bytes of the descriptor's character set
  std::vector<std::byte> system_use;  // what follows the identifier
  bool endians_disagree = false;      // extent or data length; the little-endian one counts
  std::uint32_t big_extent = 0;       // the other reading of both
  std::uint32_t big_data_length = 0;
  std::uint16_t sequence_number = 1;  // of the volume that has the data, in a set of them
  std::uint16_t big_sequence_number = 1;

  bool directory() const noexcept { return (flags & kFlagDirectory) != 0; }
  bool more_extents() const noexcept { return (flags & kFlagMoreExtents) != 0; }
  bool self() const noexcept { return name.size() == 1 && name[0] == '\0'; }
  bool parent() const noexcept { return name.size() == 1 && name[0] == '\1'; }
};

// `bytes` start with the record and may be longer. kCorrupt when the record is shorter than its own parts or longer
// than `bytes`.
Result<DirectoryRecord> ParseDirectoryRecord(std::span<const std::byte> bytes, std::uint64_t host_offset);

// Holds one sector at a time.
class DirectoryReader {
 public:
  // The records in [host_offset, host_offset + length).
  DirectoryReader(Storage& storage, std::uint64_t host_offset, std::uint64_t length)
      : storage_(storage), at_(host_offset), end_(host_offset + length) {}

  // Empty at the end. kCorrupt for a record that its sector cuts off, and where the file ends too early.
  Result<std::optional<DirectoryRecord>> Next();
  // Behind a record that is damaged: goes on in the next sector, where one starts. False where that is of no use.
  bool PassDamage() noexcept;

 private:
  static constexpr std::size_t kMostDamaged = 64;  // sectors of a directory, that are passed over

  Result<> Load(std::uint64_t sector);

  Storage& storage_;
  std::uint64_t at_;   // host offset of the next record
  std::uint64_t end_;  // host offset
  std::size_t passed_ = 0;
  std::uint64_t loaded_ = ~std::uint64_t{0};
  std::vector<std::byte> bytes_;
};

}  // namespace platter::iso
