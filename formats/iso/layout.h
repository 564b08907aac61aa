// On-disk structures of ISO 9660 (ECMA-119), Joliet, System Use Sharing Protocol (SUSP, IEEE P1281), Rock Ridge (RRIP,
// IEEE P1282) and El Torito. Sections are ECMA-119's unless said. A both-endian number stands twice, little-endian
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/core/bytes.h"

namespace platter::iso {

// Volume descriptors stand one to a sector, whatever the logical block size; extents are counted in logical blocks.
inline constexpr std::uint64_t kSectorSize = 2048;
inline constexpr std::uint64_t kDescriptorSector = 16;
inline constexpr std::uint64_t kDescriptorStart = kDescriptorSector * kSectorSize;
// More descriptors than any tool writes; a set without a terminator ends here.
inline constexpr std::uint64_t kMostDescriptors = 64;

inline constexpr std::string_view kStandardId = "CD001";
inline constexpr std::string_view kHighSierraId = "CDROM";  // 8 bytes further on: the format before the standard
inline constexpr std::size_t kHighSierraIdOffset = 9;

// A number in both byte orders.
template <std::unsigned_integral T>
struct Both {
  std::size_t offset;

  T Little(const std::byte* record) const noexcept { return LoadLe<T>(record + offset); }
  T Big(const std::byte* record) const noexcept { return LoadBe<T>(record + offset + sizeof(T)); }
};

// Text in a fixed number of bytes, padded with spaces (or, on discs in the wild, with zeros).
struct Text {
  std::size_t offset;
  std::size_t length;
};

enum class DescriptorType : std::uint8_t {
  kBootRecord = 0,
  kPrimary = 1,
  kSupplementary = 2,  // or enhanced, by its version
  kPartition = 3,
  kTerminator = 255,
};

// 8.4 primary, 8.5 supplementary and enhanced: one layout.
struct DescriptorLayout {
  static constexpr std::size_t kSize = kSectorSize;
  static constexpr Le<std::uint8_t> kType{0};
  static constexpr Text kId{1, 5};
  static constexpr Le<std::uint8_t> kVersion{6};
  static constexpr Le<std::uint8_t> kFlags{7};
  static constexpr Text kSystemId{8, 32};
  static constexpr Text kVolumeId{40, 32};
  static constexpr Both<std::uint32_t> kVolumeSpaceSize{80};
  static constexpr Text kEscapeSequences{88, 32};
  static constexpr Both<std::uint16_t> kVolumeSetSize{120};
  static constexpr Both<std::uint16_t> kVolumeSequenceNumber{124};
  static constexpr Both<std::uint16_t> kLogicalBlockSize{128};
  static constexpr Both<std::uint32_t> kPathTableSize{132};
  static constexpr Le<std::uint32_t> kLPathTable{140};
  static constexpr Le<std::uint32_t> kOptionalLPathTable{144};
  static constexpr Be<std::uint32_t> kMPathTable{148};
  static constexpr Be<std::uint32_t> kOptionalMPathTable{152};
  static constexpr std::size_t kRootRecord = 156;
  static constexpr Text kVolumeSetId{190, 128};
  static constexpr Text kPublisherId{318, 128};
  static constexpr Text kPreparerId{446, 128};
  static constexpr Text kApplicationId{574, 128};
  static constexpr Text kCreated{813, 17};
  static constexpr Text kModified{830, 17};
  static constexpr Le<std::uint8_t> kStructureVersion{881};
  static constexpr Text kApplicationUse{883, 512};
  static constexpr Text kExtendedArchitecture{1024, 8};  // CD-ROM XA: "CD-XA001"
};

inline constexpr std::uint8_t kEnhancedVersion = 2;  // ISO 9660:1999
inline constexpr std::size_t kRootRecordSize = 34;

// 9.1
struct DirectoryRecordLayout {
  static constexpr std::size_t kSize = 33;  // without the name
  static constexpr Le<std::uint8_t> kLength{0};
  static constexpr Le<std::uint8_t> kExtendedAttributeBlocks{1};
  static constexpr Both<std::uint32_t> kExtent{2};
  static constexpr Both<std::uint32_t> kDataLength{10};
  static constexpr std::size_t kDate = 18;  // 7 bytes, 9.1.5
  static constexpr Le<std::uint8_t> kFlags{25};
  static constexpr Le<std::uint8_t> kUnitSize{26};
  static constexpr Le<std::uint8_t> kGapSize{27};
  static constexpr Both<std::uint16_t> kVolumeSequenceNumber{28};
  static constexpr Le<std::uint8_t> kNameLength{32};
};

inline constexpr std::uint8_t kFlagHidden = 1;
inline constexpr std::uint8_t kFlagDirectory = 2;
inline constexpr std::uint8_t kFlagAssociated = 4;
inline constexpr std::uint8_t kFlagMoreExtents = 0x80;

// 9.4
struct PathTableRecordLayout {
  static constexpr std::size_t kSize = 8;  // without the name
  static constexpr std::size_t kNameLength = 0;
  static constexpr std::size_t kExtendedAttributeBlocks = 1;
  static constexpr std::size_t kExtent = 2;  // u32 in the table's byte order
  static constexpr std::size_t kParent = 6;  // u16 in the table's byte order
};

// El Torito, version 1.0. Numbers are little-endian.
inline constexpr std::string_view kElToritoId = "EL TORITO SPECIFICATION";
struct BootRecordLayout {
  static constexpr std::size_t kSize = kSectorSize;
  static constexpr Text kSystemId{7, 32};
  static constexpr Le<std::uint32_t> kCatalog{0x47};
};
inline constexpr std::size_t kBootEntrySize = 32;
struct ValidationEntryLayout {
  static constexpr std::size_t kSize = kBootEntrySize;
  static constexpr Le<std::uint8_t> kHeaderId{0};  // 1
  static constexpr Le<std::uint8_t> kPlatform{1};
  static constexpr Text kId{4, 24};
  static constexpr Le<std::uint16_t> kChecksum{28};
  static constexpr Le<std::uint16_t> kKey{30};  // 55 AA
};
struct BootEntryLayout {
  static constexpr std::size_t kSize = kBootEntrySize;
  static constexpr Le<std::uint8_t> kIndicator{0};
  static constexpr Le<std::uint8_t> kMedia{1};
  static constexpr Le<std::uint16_t> kLoadSegment{2};
  static constexpr Le<std::uint8_t> kSystemType{4};
  static constexpr Le<std::uint16_t> kSectorCount{6};  // of 512 bytes
  static constexpr Le<std::uint32_t> kBlock{8};
};
struct SectionHeaderLayout {
  static constexpr std::size_t kSize = kBootEntrySize;
  static constexpr Le<std::uint8_t> kIndicator{0};
  static constexpr Le<std::uint8_t> kPlatform{1};
  static constexpr Le<std::uint16_t> kEntryCount{2};
  static constexpr Text kId{4, 28};
};
inline constexpr std::uint8_t kBootable = 0x88;
inline constexpr std::uint8_t kNotBootable = 0;
inline constexpr std::uint8_t kSectionHeader = 0x90;
inline constexpr std::uint8_t kLastSectionHeader = 0x91;
inline constexpr std::uint8_t kEntryExtension = 0x44;
inline constexpr std::uint8_t kPlatformX86 = 0;
inline constexpr std::uint8_t kPlatformPowerPc = 1;
inline constexpr std::uint8_t kPlatformMac = 2;
inline constexpr std::uint8_t kPlatformEfi = 0xEF;

// Raw CD sectors, ECMA-130: 12 bytes of sync, 3 of address, the mode, then user data and error correction.
inline constexpr std::uint64_t kRawSectorSize = 2352;
inline constexpr std::size_t kRawMode = 15;
inline constexpr std::size_t kRawSubmode = 18;  // mode 2
inline constexpr std::uint8_t kSubmodeForm2 = 0x20;
inline constexpr std::size_t kRawMode1Data = 16;
inline constexpr std::size_t kRawMode2Data = 24;

}  // namespace platter::iso
