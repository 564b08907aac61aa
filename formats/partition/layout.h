// Partition tables as they lie on the disk: the MBR's (LBA 0 and each EBR) and the GPT's (UEFI 2.10, section 5.3).
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::partition {

struct MbrSector {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint32_t> kDiskSignature{440};
  static constexpr std::size_t kEntries = 446;
  static constexpr std::size_t kEntryCount = 4;
  static constexpr Le<std::uint16_t> kBootSignature{510};
  static constexpr std::uint16_t kBootSignatureValue = 0xAA55;
};

struct MbrEntry {
  static constexpr std::size_t kSize = 16;
  static constexpr Le<std::uint8_t> kBootFlag{0};  // 0x80 active, 0x00 not; anything else is no partition entry
  static constexpr Le<std::uint8_t> kType{4};      // 0: unused
  static constexpr Le<std::uint32_t> kStart{8};    // sectors
  static constexpr Le<std::uint32_t> kCount{12};   // sectors
};

inline constexpr std::uint8_t kProtective = 0xEE;
// The three types of extended partition: CHS, LBA, Linux.
inline constexpr std::uint8_t kExtended[] = {0x05, 0x0F, 0x85};

struct GptHeaderLayout {
  static constexpr std::size_t kSize = 92;
  static constexpr char kSignatureText[] = "EFI PART";
  static constexpr Le<std::uint64_t> kSignature{0};
  static constexpr Le<std::uint32_t> kRevision{8};
  static constexpr Le<std::uint32_t> kHeaderSize{12};
  static constexpr Le<std::uint32_t> kHeaderCrc{16};
  static constexpr Le<std::uint32_t> kReserved{20};
  static constexpr Le<std::uint64_t> kMyLba{24};
  static constexpr Le<std::uint64_t> kAlternateLba{32};
  static constexpr Le<std::uint64_t> kFirstUsable{40};
  static constexpr Le<std::uint64_t> kLastUsable{48};
  static constexpr std::size_t kDiskGuid = 56;
  static constexpr Le<std::uint64_t> kEntriesLba{72};
  static constexpr Le<std::uint32_t> kEntryCount{80};
  static constexpr Le<std::uint32_t> kEntrySize{84};
  static constexpr Le<std::uint32_t> kEntriesCrc{88};
  static constexpr std::uint32_t kRevisionValue = 0x00010000;
};

struct GptEntryLayout {
  static constexpr std::size_t kSize = 128;
  static constexpr std::size_t kTypeGuid = 0;
  static constexpr std::size_t kPartitionGuid = 16;
  static constexpr Le<std::uint64_t> kFirst{32};
  static constexpr Le<std::uint64_t> kLast{40};  // inclusive
  static constexpr Le<std::uint64_t> kAttributes{48};
  static constexpr std::size_t kName = 56;
  static constexpr std::size_t kNameBytes = 72;  // UTF-16LE
};

inline constexpr std::size_t kGuidSize = 16;

}  // namespace platter::partition
