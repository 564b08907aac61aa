// Partition tables: MBR with its logical partitions, GPT with its two copies, and the hybrid of both.
//
// A disk is hostile until the opposite is shown: chains of extended partitions are followed a bounded number of steps,
// a GPT's entries are bounded before they are read, and every range is compared with the disk's size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::partition {

enum class Scheme : std::uint8_t {
  kMbr,
  kGpt,
  kHybrid,  // a GPT whose MBR names some of the partitions, too
};
std::string_view SchemeName(Scheme scheme) noexcept;  // "mbr", "gpt", "hybrid"

struct Partition {
  std::uint32_t number = 0;    // as Linux counts: MBR 1 to 4, logical ones from 5; GPT the entry's place from 1
  std::uint64_t offset = 0;    // bytes from the disk's start
  std::uint64_t length = 0;    // bytes; offset + length never wraps, but may lie past the disk's end (see findings)
  std::string type;            // "0x83", or a GUID in lower case
  std::string_view type_name;  // for people; "" where the type is unknown to us
  std::string name;            // GPT's, UTF-8; "" otherwise
  std::string id;              // the partition's GUID; "" in an MBR
  bool bootable = false;       // MBR: active; GPT: legacy BIOS bootable
};

struct PartitionTable {
  Scheme scheme = Scheme::kMbr;
  std::uint32_t sector_size = 512;  // bytes; an MBR does not say and is read as 512
  std::string id;                   // disk signature "0x0a1b2c3d" or GUID
  std::vector<Partition> partitions;
  std::vector<Partition> mbr_partitions;  // of a hybrid: what its MBR names
  bool gpt_missing = false;               // the MBR is a protective one, and there is no GPT
  std::vector<std::string> findings;      // damage that did not stop us, a line each

  const Partition* Find(std::uint32_t number) const noexcept;
};

// The most that is read of one disk.
inline constexpr std::uint32_t kMaxLogical = 256;
inline constexpr std::uint64_t kMaxEntryBytes = std::uint64_t{1} << 20;  // of a GPT's entry array

// Where the second copy of a GPT is compared with the first.
enum class Copies : std::uint8_t {
  kAll,       // wherever the first says that it is
  kAtTheEnd,  // only where it should be: elsewhere it has passed by in a stream before its header is seen
};

// Empty when the disk has no partition table; the boot sector of a FAT or NTFS volume, and an MBR without entries, are
// none. kCorrupt when both copies of a GPT are damaged (the error is the first copy's), kLimit for a GPT with more
// entries than kMaxEntryBytes hold, kIo.
Result<std::optional<PartitionTable>> ReadPartitionTable(Storage& disk, Copies copies = Copies::kAll);

}  // namespace platter::partition
