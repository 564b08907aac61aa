// On-disk structures of VHD, as in Microsoft's "Virtual Hard Disk Image Format Specification". All numbers are
// big-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::vhd {

inline constexpr std::uint64_t kSectorSize = 512;

// "Hard Disk Footer Format": the file's last sector; also its first one, except in a fixed image.
struct FooterLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Be<std::uint64_t> kCookie{0};
  static constexpr Be<std::uint32_t> kFeatures{8};
  static constexpr Be<std::uint32_t> kFileFormatVersion{12};
  static constexpr Be<std::uint64_t> kDataOffset{16};  // host bytes, of the dynamic disk header
  static constexpr Be<std::uint32_t> kTimeStamp{24};   // seconds since kEpoch
  static constexpr Be<std::uint32_t> kCreatorApplication{28};
  static constexpr Be<std::uint32_t> kCreatorVersion{32};
  static constexpr Be<std::uint32_t> kCreatorHostOs{36};
  static constexpr Be<std::uint64_t> kOriginalSize{40};  // guest bytes
  static constexpr Be<std::uint64_t> kCurrentSize{48};   // guest bytes
  static constexpr Be<std::uint16_t> kCylinders{56};
  static constexpr Be<std::uint8_t> kHeads{58};
  static constexpr Be<std::uint8_t> kSectorsPerTrack{59};
  static constexpr Be<std::uint32_t> kDiskType{60};
  static constexpr Be<std::uint32_t> kChecksum{64};
  static constexpr std::size_t kUniqueId = 68;  // 16 bytes
  static constexpr Be<std::uint8_t> kSavedState{84};
};

// What Virtual PC wrote before 2004: the last byte, which is reserved, is missing.
inline constexpr std::size_t kShortFooterSize = 511;

// "Dynamic Disk Header Format".
struct SparseLayout {
  static constexpr std::size_t kSize = 1024;
  static constexpr Be<std::uint64_t> kCookie{0};
  static constexpr Be<std::uint64_t> kDataOffset{8};    // unused
  static constexpr Be<std::uint64_t> kTableOffset{16};  // host bytes, of the block allocation table
  static constexpr Be<std::uint32_t> kHeaderVersion{24};
  static constexpr Be<std::uint32_t> kMaxTableEntries{28};
  static constexpr Be<std::uint32_t> kBlockSize{32};  // guest bytes
  static constexpr Be<std::uint32_t> kChecksum{36};
  static constexpr std::size_t kParentUniqueId = 40;  // 16 bytes
  static constexpr Be<std::uint32_t> kParentTimeStamp{56};
  static constexpr std::size_t kParentUnicodeName = 64;  // UTF-16BE
  static constexpr std::size_t kParentUnicodeNameSize = 512;
  static constexpr std::size_t kParentLocators = 576;
  static constexpr std::size_t kParentLocatorCount = 8;
};

// "Parent Locator Entry".
struct LocatorLayout {
  static constexpr std::size_t kSize = 24;
  static constexpr Be<std::uint32_t> kPlatformCode{0};
  static constexpr Be<std::uint32_t> kDataSpace{4};    // in sectors by the specification, in bytes by most writers
  static constexpr Be<std::uint32_t> kDataLength{8};   // bytes
  static constexpr Be<std::uint64_t> kDataOffset{16};  // host bytes
};

// Four or eight characters as the number that they are when read in big-endian order.
template <std::size_t N>
constexpr std::uint64_t Characters(const char (&text)[N]) noexcept {
  std::uint64_t value = 0;
  for (std::size_t at = 0; at + 1 < N; ++at) value = value << 8 | static_cast<unsigned char>(text[at]);
  return value;
}
constexpr std::uint32_t Code(const char (&text)[5]) noexcept { return static_cast<std::uint32_t>(Characters(text)); }

inline constexpr std::uint64_t kFooterCookie = Characters("conectix");
inline constexpr std::uint64_t kSparseCookie = Characters("cxsparse");
inline constexpr std::uint32_t kVersion1 = 0x00010000;  // of the footer and of the dynamic disk header
inline constexpr std::uint32_t kVersionMajor = 0xFFFF0000;
inline constexpr std::uint32_t kFeatureReserved = 0x2;  // always set
inline constexpr std::uint64_t kNoOffset = ~std::uint64_t{0};
inline constexpr std::uint64_t kEpoch = 946684800;  // 2000-01-01 00:00 UTC as Unix time

inline constexpr std::uint32_t kTypeFixed = 2;
inline constexpr std::uint32_t kTypeDynamic = 3;
inline constexpr std::uint32_t kTypeDifferencing = 4;

// Creator applications by whose word the size field counts, whatever the geometry says.
inline constexpr std::uint32_t kCreatorHyperV = Code("win ");
inline constexpr std::uint32_t kCreatorQemuForced = Code("qem2");
inline constexpr std::uint32_t kCreatorDisk2Vhd = Code("d2v ");
inline constexpr std::uint32_t kCreatorXenTap = Code("tap\0");
inline constexpr std::uint32_t kCreatorXenConverter = Code("CTXS");
// Those by whose word the geometry counts.
inline constexpr std::uint32_t kCreatorVirtualPc = Code("vpc ");
inline constexpr std::uint32_t kCreatorVirtualServer = Code("vs  ");
inline constexpr std::uint32_t kCreatorQemu = Code("qemu");
inline constexpr std::uint32_t kCreatorVersion = 0x00050003;
inline constexpr std::uint32_t kHostWindows = Code("Wi2k");

// Platform codes of parent locators.
inline constexpr std::uint32_t kPlatformW2ru = Code("W2ru");  // relative Windows path, UTF-16LE
inline constexpr std::uint32_t kPlatformW2ku = Code("W2ku");  // absolute Windows path, UTF-16LE
inline constexpr std::uint32_t kPlatformWi2r = Code("Wi2r");  // obsolete, 8 bits
inline constexpr std::uint32_t kPlatformWi2k = Code("Wi2k");  // obsolete, 8 bits
inline constexpr std::uint32_t kPlatformMacX = Code("MacX");  // file URL, UTF-8

inline constexpr std::size_t kTableEntrySize = 4;
inline constexpr std::uint32_t kUnallocated = 0xFFFFFFFF;

inline constexpr std::uint64_t kMinBlockSize = kSectorSize;
inline constexpr std::uint64_t kDefaultBlockSize = std::uint64_t{2} << 20;
// A table entry has 32 bits; a 2 MiB block of 2040 GiB is the last one that they reach.
inline constexpr std::uint64_t kMaxVirtualSize = std::uint64_t{2040} << 30;
inline constexpr std::uint64_t kMaxTableEntries = (std::uint64_t{1} << 29) - 1;

using UniqueId = std::array<std::byte, 16>;

}  // namespace platter::vhd
