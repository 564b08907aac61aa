// On-disk structures of VHDX, version 1. All numbers are little-endian. Section numbers are those of [MS-VHDX].
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/core/bytes.h"
#include "formats/vhdx/guid.h"

namespace platter::vhdx {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kSector = 4096;            // of the log and of what it logs
inline constexpr std::uint64_t kHeaderSectionEnd = kMiB;  // objects lie behind it, at whole MiB (2.1)

// File type identifier (2.2.1), at 0.
inline constexpr std::string_view kFileSignature = "vhdxfile";
struct FileIdentifier {
  static constexpr std::uint64_t kOffset = 0;
  static constexpr std::size_t kSize = 65536;
  static constexpr std::size_t kCreator = 8;  // UTF-16, maybe without an end
  static constexpr std::size_t kCreatorSize = 512;
};

// Header (2.2.2): two copies, the valid one with the larger sequence number counts.
inline constexpr std::uint64_t kHeaderOffsets[] = {65536, 131072};
struct HeaderLayout {
  static constexpr std::size_t kSize = 4096;
  static constexpr Le<std::uint32_t> kSignature{0};
  static constexpr Le<std::uint32_t> kChecksum{4};
  static constexpr Le<std::uint64_t> kSequenceNumber{8};
  static constexpr std::size_t kFileWriteGuid = 16;
  static constexpr std::size_t kDataWriteGuid = 32;
  static constexpr std::size_t kLogGuid = 48;  // zero: no log to replay
  static constexpr Le<std::uint16_t> kLogVersion{64};
  static constexpr Le<std::uint16_t> kVersion{66};
  static constexpr Le<std::uint32_t> kLogLength{68};
  static constexpr Le<std::uint64_t> kLogOffset{72};
};
inline constexpr std::uint32_t kHeaderSignature = 0x64616568;  // "head"
inline constexpr std::uint16_t kLogVersion = 0;
inline constexpr std::uint16_t kVersion = 1;

// Region table (2.2.3): two copies of the same.
inline constexpr std::uint64_t kRegionTableOffsets[] = {196608, 262144};
struct RegionTableLayout {
  static constexpr std::size_t kSize = 65536;
  static constexpr Le<std::uint32_t> kSignature{0};
  static constexpr Le<std::uint32_t> kChecksum{4};
  static constexpr Le<std::uint32_t> kEntryCount{8};
  static constexpr std::size_t kEntries = 16;
};
struct RegionEntry {
  static constexpr std::size_t kSize = 32;
  static constexpr std::size_t kGuid = 0;
  static constexpr Le<std::uint64_t> kFileOffset{16};
  static constexpr Le<std::uint32_t> kLength{24};
  static constexpr Le<std::uint32_t> kFlags{28};
};
inline constexpr std::uint32_t kRegionSignature = 0x69676572;  // "regi"
inline constexpr std::uint32_t kRegionRequired = 1;
inline constexpr std::uint32_t kMaxTableEntries = 2047;
inline constexpr Guid kBatRegion = *Guid::Parse("2DC27766-F623-4200-9D64-115E9BFD4A08");
inline constexpr Guid kMetadataRegion = *Guid::Parse("8B7CA206-4790-4B9A-B8FE-575F050F886E");

// Metadata table (2.6.1), the first 64 KiB of its region.
struct MetadataTableLayout {
  static constexpr std::size_t kSize = 65536;
  static constexpr Le<std::uint64_t> kSignature{0};
  static constexpr Le<std::uint16_t> kEntryCount{10};
  static constexpr std::size_t kEntries = 32;
};
struct MetadataEntry {
  static constexpr std::size_t kSize = 32;
  static constexpr std::size_t kGuid = 0;
  static constexpr Le<std::uint32_t> kOffset{16};  // from the region's start
  static constexpr Le<std::uint32_t> kLength{20};
  static constexpr Le<std::uint32_t> kFlags{24};
};
inline constexpr std::uint64_t kMetadataSignature = 0x617461646174656D;  // "metadata"
inline constexpr std::uint32_t kItemIsUser = 1;
inline constexpr std::uint32_t kItemIsVirtualDisk = 2;
inline constexpr std::uint32_t kItemIsRequired = 4;
inline constexpr std::uint32_t kMaxItemLength = 1 << 20;
inline constexpr std::uint32_t kMaxUserItems = 1024;

// Known metadata items (2.6.2).
inline constexpr Guid kFileParametersItem = *Guid::Parse("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
inline constexpr Guid kVirtualDiskSizeItem = *Guid::Parse("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
inline constexpr Guid kVirtualDiskIdItem = *Guid::Parse("BECA12AB-B2E6-4523-93EF-C309E000C746");
inline constexpr Guid kLogicalSectorItem = *Guid::Parse("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
inline constexpr Guid kPhysicalSectorItem = *Guid::Parse("CDA348C7-445D-4471-9CC9-E9885251C556");
inline constexpr Guid kParentLocatorItem = *Guid::Parse("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");
struct FileParameters {
  static constexpr std::size_t kSize = 8;
  static constexpr Le<std::uint32_t> kBlockSize{0};
  static constexpr Le<std::uint32_t> kFlags{4};
};
inline constexpr std::uint32_t kLeaveBlocksAllocated = 1;  // a fixed disk
inline constexpr std::uint32_t kHasParent = 2;
inline constexpr std::uint64_t kMinBlockSize = kMiB;
inline constexpr std::uint64_t kMaxBlockSize = 256 * kMiB;
inline constexpr std::uint64_t kMaxVirtualSize = std::uint64_t{64} << 40;

// Parent locator (2.6.2.6).
struct ParentLocatorLayout {
  static constexpr std::size_t kSize = 20;
  static constexpr std::size_t kType = 0;
  static constexpr Le<std::uint16_t> kPairCount{18};
};
struct ParentLocatorPair {
  static constexpr std::size_t kSize = 12;
  static constexpr Le<std::uint32_t> kKeyOffset{0};  // from the locator's start
  static constexpr Le<std::uint32_t> kValueOffset{4};
  static constexpr Le<std::uint16_t> kKeyLength{8};  // bytes
  static constexpr Le<std::uint16_t> kValueLength{10};
};
inline constexpr Guid kVhdxLocatorType = *Guid::Parse("B04AEFB7-D19E-4A81-B789-25B8E9445913");

// Block allocation table (2.5): entries of 64 bits, the state below, the block's offset in the file above.
inline constexpr std::size_t kBatEntrySize = 8;
inline constexpr std::uint64_t kBatStateMask = 7;
inline constexpr std::uint64_t kBatOffsetMask = ~(kMiB - 1);
inline constexpr std::uint64_t kBatReservedMask = ~(kBatStateMask | kBatOffsetMask);
enum class BlockState : std::uint8_t {
  kNotPresent = 0,
  kUndefined = 1,
  kZero = 2,
  kUnmapped = 3,
  kUnmappedOld = 5,  // of version 0.95
  kFullyPresent = 6,
  kPartiallyPresent = 7,
};
inline constexpr std::uint64_t kBitmapBlockSize = kMiB;
inline constexpr std::uint64_t kSectorsPerChunk = kBitmapBlockSize * 8;

// Log entry (2.3.1).
struct LogEntryHeader {
  static constexpr std::size_t kSize = 64;
  static constexpr Le<std::uint32_t> kSignature{0};
  static constexpr Le<std::uint32_t> kChecksum{4};
  static constexpr Le<std::uint32_t> kEntryLength{8};
  static constexpr Le<std::uint32_t> kTail{12};  // from the log's start
  static constexpr Le<std::uint64_t> kSequenceNumber{16};
  static constexpr Le<std::uint32_t> kDescriptorCount{24};
  static constexpr std::size_t kLogGuid = 32;
  static constexpr Le<std::uint64_t> kFlushedFileOffset{48};
  static constexpr Le<std::uint64_t> kLastFileOffset{56};
};
inline constexpr std::uint32_t kLogEntrySignature = 0x65676F6C;  // "loge"

// Data descriptor (2.3.1.3) and zero descriptor (2.3.1.2).
struct LogDescriptor {
  static constexpr std::size_t kSize = 32;
  static constexpr Le<std::uint32_t> kSignature{0};
  static constexpr Le<std::uint32_t> kTrailingBytes{4};
  static constexpr Le<std::uint64_t> kLeadingBytes{8};
  static constexpr Le<std::uint64_t> kZeroLength{8};
  static constexpr Le<std::uint64_t> kFileOffset{16};
  static constexpr Le<std::uint64_t> kSequenceNumber{24};
};
inline constexpr std::uint32_t kDataDescriptorSignature = 0x63736564;  // "desc"
inline constexpr std::uint32_t kZeroDescriptorSignature = 0x6F72657A;  // "zero"

// Data sector (2.3.1.4): the middle of a logged sector; its first 8 and last 4 bytes stand in the descriptor.
struct LogDataSector {
  static constexpr std::size_t kSize = 4096;
  static constexpr Le<std::uint32_t> kSignature{0};
  static constexpr Le<std::uint32_t> kSequenceHigh{4};
  static constexpr std::size_t kData = 8;
  static constexpr Le<std::uint32_t> kSequenceLow{4092};
};
inline constexpr std::uint32_t kDataSectorSignature = 0x61746164;  // "data"

}  // namespace platter::vhdx
