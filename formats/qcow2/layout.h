// On-disk structures of qcow2, versions 2 and 3. All numbers are big-endian. Section names are those of qemu's
// docs/interop/qcow2.txt.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/core/bytes.h"

namespace platter::qcow2 {

// Section "Header".
inline constexpr std::uint32_t kMagic = 0x514649FB;  // "QFI\xfb"

struct HeaderV2 {
  static constexpr std::size_t kSize = 72;
  static constexpr Be<std::uint32_t> kMagic{0};
  static constexpr Be<std::uint32_t> kVersion{4};
  static constexpr Be<std::uint64_t> kBackingFileOffset{8};
  static constexpr Be<std::uint32_t> kBackingFileSize{16};
  static constexpr Be<std::uint32_t> kClusterBits{20};
  static constexpr Be<std::uint64_t> kVirtualSize{24};
  static constexpr Be<std::uint32_t> kCryptMethod{32};
  static constexpr Be<std::uint32_t> kL1Size{36};  // entries
  static constexpr Be<std::uint64_t> kL1TableOffset{40};
  static constexpr Be<std::uint64_t> kRefcountTableOffset{48};
  static constexpr Be<std::uint32_t> kRefcountTableClusters{56};
  static constexpr Be<std::uint32_t> kSnapshotCount{60};
  static constexpr Be<std::uint64_t> kSnapshotsOffset{64};
};

struct HeaderV3 : HeaderV2 {
  static constexpr std::size_t kSize = 104;
  static constexpr Be<std::uint64_t> kIncompatibleFeatures{72};
  static constexpr Be<std::uint64_t> kCompatibleFeatures{80};
  static constexpr Be<std::uint64_t> kAutoclearFeatures{88};
  static constexpr Be<std::uint32_t> kRefcountOrder{96};
  static constexpr Be<std::uint32_t> kHeaderLength{100};
};

// The fields that version 3 grew later; there when header_length says so.
struct HeaderV3Extended : HeaderV3 {
  static constexpr std::size_t kSize = 112;
  static constexpr Be<std::uint8_t> kCompressionType{104};
};

inline constexpr std::uint32_t kMinClusterBits = 9;
inline constexpr std::uint32_t kMaxClusterBits = 21;
inline constexpr std::uint32_t kMinExtendedL2ClusterBits = 14;
inline constexpr std::uint32_t kMaxRefcountOrder = 6;
inline constexpr std::uint32_t kDefaultRefcountOrder = 4;
inline constexpr std::uint64_t kMaxVirtualSize = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kMaxL1Bytes = std::uint64_t{32} << 20;
inline constexpr std::uint64_t kMaxRefcountTableBytes = std::uint64_t{8} << 20;
inline constexpr std::uint32_t kMaxSnapshots = 65536;
inline constexpr std::uint64_t kMaxSnapshotTableBytes = std::uint64_t{64} << 20;
inline constexpr std::uint32_t kMaxSnapshotExtraBytes = 1024;
inline constexpr std::size_t kMaxUnknownExtensions = 1024;  // a bound of ours: each is held and listed
inline constexpr std::uint32_t kMaxBackingNameBytes = 1023;
inline constexpr std::uint32_t kMaxBackingFormatBytes = 15;

inline constexpr std::uint64_t kIncompatDirty = 1 << 0;
inline constexpr std::uint64_t kIncompatCorrupt = 1 << 1;
inline constexpr std::uint64_t kIncompatDataFile = 1 << 2;
inline constexpr std::uint64_t kIncompatCompressionType = 1 << 3;
inline constexpr std::uint64_t kIncompatExtendedL2 = 1 << 4;
inline constexpr std::uint64_t kIncompatKnown = 0x1F;
inline constexpr std::uint64_t kCompatLazyRefcounts = 1 << 0;
inline constexpr std::uint64_t kAutoclearBitmaps = 1 << 0;
inline constexpr std::uint64_t kAutoclearRawDataFile = 1 << 1;

enum class CryptMethod : std::uint8_t { kNone = 0, kAes = 1, kLuks = 2 };
enum class Compression : std::uint8_t { kZlib = 0, kZstd = 1 };

// Section "Header extensions": u32 type, u32 length, data padded to 8 bytes.
struct ExtensionHeader {
  static constexpr std::size_t kSize = 8;
  static constexpr Be<std::uint32_t> kType{0};
  static constexpr Be<std::uint32_t> kLength{4};
};
inline constexpr std::uint32_t kExtensionEnd = 0;
inline constexpr std::uint32_t kExtensionBackingFormat = 0xE2792ACA;
inline constexpr std::uint32_t kExtensionFeatureNames = 0x6803F857;
inline constexpr std::uint32_t kExtensionBitmaps = 0x23852875;
inline constexpr std::uint32_t kExtensionLuks = 0x0537BE77;
inline constexpr std::uint32_t kExtensionDataFile = 0x44415441;

// Section "Feature name table".
struct FeatureName {
  static constexpr std::size_t kSize = 48;
  static constexpr Be<std::uint8_t> kType{0};  // 0 incompatible, 1 compatible, 2 autoclear
  static constexpr Be<std::uint8_t> kBit{1};
  static constexpr std::size_t kNameOffset = 2;
  static constexpr std::size_t kNameSize = 46;  // padded with zeros
};

// Section "Bitmaps extension".
struct BitmapsExtension {
  static constexpr std::size_t kSize = 24;
  static constexpr Be<std::uint32_t> kCount{0};
  static constexpr Be<std::uint32_t> kReserved{4};
  static constexpr Be<std::uint64_t> kDirectorySize{8};
  static constexpr Be<std::uint64_t> kDirectoryOffset{16};
};
inline constexpr std::uint32_t kMaxBitmaps = 65535;

// Section "Bitmap directory".
struct BitmapDirectoryEntry {
  static constexpr std::size_t kSize = 24;  // followed by extra data, name, padding to 8 bytes
  static constexpr Be<std::uint64_t> kTableOffset{0};
  static constexpr Be<std::uint32_t> kTableSize{8};  // entries
  static constexpr Be<std::uint32_t> kFlags{12};     // bit 0 in use, 1 auto, 2 extra data compatible
  static constexpr Be<std::uint8_t> kType{16};       // 1: dirty tracking
  static constexpr Be<std::uint8_t> kGranularityBits{17};
  static constexpr Be<std::uint16_t> kNameSize{18};
  static constexpr Be<std::uint32_t> kExtraDataSize{20};
};
inline constexpr std::uint32_t kBitmapInUse = 1 << 0;
inline constexpr std::uint32_t kBitmapAuto = 1 << 1;
inline constexpr std::uint32_t kBitmapExtraDataCompatible = 1 << 2;
inline constexpr std::uint64_t kBitmapTableOffsetMask = 0x00FFFFFFFFFFFE00;
inline constexpr std::uint64_t kBitmapTableAllOnes = 1;  // bit 0, with offset 0

// Section "Snapshot table".
struct SnapshotEntry {
  static constexpr std::size_t kSize = 40;  // followed by extra data, id, name, padding to 8 bytes
  static constexpr Be<std::uint64_t> kL1TableOffset{0};
  static constexpr Be<std::uint32_t> kL1Size{8};  // entries
  static constexpr Be<std::uint16_t> kIdSize{12};
  static constexpr Be<std::uint16_t> kNameSize{14};
  static constexpr Be<std::uint32_t> kDateSeconds{16};
  static constexpr Be<std::uint32_t> kDateNanoseconds{20};
  static constexpr Be<std::uint64_t> kVmClockNanoseconds{24};
  static constexpr Be<std::uint32_t> kVmStateSize{32};
  static constexpr Be<std::uint32_t> kExtraDataSize{36};
};
struct SnapshotExtraData {
  static constexpr std::size_t kSize = 24;  // an entry may hold only the first 16 or fewer
  static constexpr Be<std::uint64_t> kVmStateSize{0};
  static constexpr Be<std::uint64_t> kVirtualSize{8};
  static constexpr Be<std::uint64_t> kIcount{16};  // all ones: not recorded
};

// Sections "L1 table entry" and "L2 table entry".
inline constexpr std::uint64_t kOffsetMask = 0x00FFFFFFFFFFFE00;
inline constexpr std::uint64_t kCopied = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kCompressed = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kAllZero = 1;  // standard L2 entries of version 3, not with extended L2
inline constexpr std::uint64_t kL1Reserved = 0x7F000000000001FF;
inline constexpr std::uint64_t kL2Reserved = 0x3F000000000001FE;
inline constexpr std::uint64_t kRefcountTableReserved = 0x1FF;

inline constexpr std::size_t kL1EntrySize = 8;
inline constexpr std::size_t kRefcountTableEntrySize = 8;
inline constexpr std::uint64_t kCompressedSector = 512;
inline constexpr std::uint32_t kSubclusters = 32;  // per cluster, with extended L2

}  // namespace platter::qcow2
