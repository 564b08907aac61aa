// On-disk structures of UDF (ECMA-167 and OSTA UDF 1.02 to 2.60). All numbers are little-endian. Sections are
// ECMA-167's, third edition.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"
#include "formats/iso/layout.h"

namespace platter::iso::udf {

inline constexpr std::uint64_t kAnchorSector = 256;

// 3/7.2
struct TagLayout {
  static constexpr std::size_t kSize = 16;
  static constexpr Le<std::uint16_t> kId{0};
  static constexpr Le<std::uint16_t> kVersion{2};  // 2: NSR02, 3: NSR03
  static constexpr Le<std::uint8_t> kChecksum{4};  // of the other 15 bytes
  static constexpr Le<std::uint16_t> kSerial{6};
  static constexpr Le<std::uint16_t> kCrc{8};
  static constexpr Le<std::uint16_t> kCrcLength{10};
  static constexpr Le<std::uint32_t> kLocation{12};  // the sector or logical block that it stands in
};

enum class TagId : std::uint16_t {
  kPrimaryVolume = 1,
  kAnchor = 2,
  kVolumePointer = 3,
  kImplementationUse = 4,
  kPartition = 5,
  kLogicalVolume = 6,
  kUnallocatedSpace = 7,
  kTerminator = 8,
  kIntegrity = 9,
  kFileSet = 256,
  kFileIdentifier = 257,
  kAllocationExtent = 258,
  kFileEntry = 261,
  kExtendedFileEntry = 266,
};

// 3/7.1: length in bytes, location in sectors.
struct AnchorLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint32_t> kMainLength{16};
  static constexpr Le<std::uint32_t> kMainLocation{20};
  static constexpr Le<std::uint32_t> kReserveLength{24};
  static constexpr Le<std::uint32_t> kReserveLocation{28};
};

// 3/8.4.3: of the descriptors of one thing in a sequence, the one with the highest number counts.
inline constexpr Le<std::uint32_t> kVolumeDescriptorSequenceNumber{16};

// 3/10.1
struct PrimaryVolumeLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Text kVolumeId{24, 32};
  static constexpr Text kVolumeSetId{72, 128};
  static constexpr Text kApplicationId{344 + 1, 23};
  static constexpr std::size_t kRecorded = 376;  // timestamp, 12 bytes
};

// 3/10.3
struct VolumePointerLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint32_t> kNextLength{20};
  static constexpr Le<std::uint32_t> kNextLocation{24};
};

// 3/10.5
struct PartitionLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint16_t> kNumber{22};
  static constexpr Text kContents{24 + 1, 23};
  static constexpr Le<std::uint32_t> kStart{188};   // sectors
  static constexpr Le<std::uint32_t> kLength{192};  // sectors
};

// 3/10.6
struct LogicalVolumeLayout {
  static constexpr std::size_t kSize = 512;  // the maps may reach past it
  static constexpr Text kVolumeId{84, 128};
  static constexpr Le<std::uint32_t> kBlockSize{212};
  static constexpr Text kDomainId{216 + 1, 23};
  static constexpr Le<std::uint16_t> kRevision{216 + 24};  // of UDF, BCD: 0x0201
  static constexpr std::size_t kFileSet = 248;             // long_ad
  static constexpr Le<std::uint32_t> kMapTableLength{264};
  static constexpr Le<std::uint32_t> kMapCount{268};
  static constexpr std::size_t kMaps = 440;
};

inline constexpr std::uint8_t kPhysicalMap = 1;     // 3/10.7.2
inline constexpr std::size_t kPhysicalMapSize = 6;  // type, length, volume sequence number u16, partition number u16
inline constexpr std::uint8_t kNamedMap = 2;        // 3/10.7.3: what it is stands in an identifier

// 4/14.1
struct FileSetLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr std::size_t kRoot = 400;  // long_ad
};

// 4/14.14.1 and 2: the two high bits of the length say what the extent is.
struct ShortAllocation {
  static constexpr std::size_t kSize = 8;
  static constexpr Le<std::uint32_t> kLength{0};
  static constexpr Le<std::uint32_t> kBlock{4};
};
struct LongAllocation {
  static constexpr std::size_t kSize = 16;
  static constexpr Le<std::uint32_t> kLength{0};
  static constexpr Le<std::uint32_t> kBlock{4};
  static constexpr Le<std::uint16_t> kPartition{8};
};
inline constexpr std::uint32_t kLengthMask = 0x3FFFFFFF;
enum class ExtentType : std::uint8_t { kRecorded = 0, kAllocated = 1, kNotAllocated = 2, kMoreDescriptors = 3 };

// 4/14.5
struct AllocationExtentLayout {
  static constexpr std::size_t kSize = 24;
  static constexpr Le<std::uint32_t> kLength{20};  // bytes of allocation descriptors that follow
};

// 4/14.4, without the name.
struct FileIdentifierLayout {
  static constexpr std::size_t kSize = 38;
  static constexpr Le<std::uint8_t> kCharacteristics{18};
  static constexpr Le<std::uint8_t> kNameLength{19};
  static constexpr std::size_t kIcb = 20;  // long_ad
  static constexpr Le<std::uint16_t> kImplementationUseLength{36};
};
inline constexpr std::uint8_t kFileDirectory = 2;
inline constexpr std::uint8_t kFileDeleted = 4;
inline constexpr std::uint8_t kFileParent = 8;

// 4/14.9 and 4/14.17, what they share; the ICB tag (4/14.6) starts at byte 16.
struct FileEntryLayout {
  static constexpr std::size_t kSize = 176;
  static constexpr Le<std::uint16_t> kStrategy{16 + 4};
  static constexpr Le<std::uint8_t> kFileType{16 + 11};
  static constexpr Le<std::uint16_t> kIcbFlags{16 + 18};
  static constexpr Le<std::uint32_t> kUser{36};
  static constexpr Le<std::uint32_t> kGroup{40};
  static constexpr Le<std::uint32_t> kPermissions{44};
  static constexpr Le<std::uint16_t> kLinks{48};
  static constexpr Le<std::uint64_t> kSize64{56};  // information length
  static constexpr std::size_t kModified = 84;     // timestamp
  static constexpr Le<std::uint32_t> kExtendedAttributesLength{168};
  static constexpr Le<std::uint32_t> kAllocationLength{172};
};
struct ExtendedFileEntryLayout {
  static constexpr std::size_t kSize = 216;
  static constexpr std::size_t kModified = 92;
  static constexpr Le<std::uint32_t> kExtendedAttributesLength{208};
  static constexpr Le<std::uint32_t> kAllocationLength{212};
};
inline constexpr std::uint16_t kStrategyDirect = 4;
inline constexpr std::uint32_t kNoOwner = 0xFFFFFFFF;
enum class AllocationForm : std::uint8_t { kShort = 0, kLong = 1, kExtended = 2, kEmbedded = 3 };

// 4/14.6.6
enum class IcbFileType : std::uint8_t {
  kDirectory = 4,
  kRegular = 5,
  kBlockDevice = 6,
  kCharacterDevice = 7,
  kPipe = 9,
  kSocket = 10,
  kSymbolicLink = 12,
  kRealTime = 249,
};

}  // namespace platter::iso::udf
