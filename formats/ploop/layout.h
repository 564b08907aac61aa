// On-disk structures of ploop images (Parallels' expandable images). All numbers are little-endian.
//
// A file is: header, block allocation table (BAT), clusters. An entry of the BAT says where a cluster of the guest disk
// is; 0 is nowhere. Version 1 counts sectors there, version 2 clusters.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/core/bytes.h"

namespace platter::ploop {

inline constexpr std::string_view kMagicV1 = "WithoutFreeSpace";
inline constexpr std::string_view kMagicV2 = "WithouFreSpacExt";
inline constexpr std::uint32_t kVersion = 2;  // the field's value in both
inline constexpr std::uint64_t kSectorSize = 512;

struct HeaderLayout {
  static constexpr std::size_t kSize = 64;
  static constexpr std::size_t kMagic = 0;
  static constexpr Le<std::uint32_t> kVersion{16};
  static constexpr Le<std::uint32_t> kHeads{20};
  static constexpr Le<std::uint32_t> kCylinders{24};
  static constexpr Le<std::uint32_t> kTracks{28};  // sectors of a cluster
  static constexpr Le<std::uint32_t> kEntries{32};
  static constexpr Le<std::uint64_t> kSectors{36};  // of the disk; version 1 has the lower half only
  static constexpr Le<std::uint32_t> kInUse{44};
  static constexpr Le<std::uint32_t> kDataOffset{48};  // sectors; 0 in version 1: behind the BAT
  static constexpr Le<std::uint32_t> kFlags{52};
  static constexpr Le<std::uint64_t> kExtensionOffset{56};  // sectors, 0: none; of version 2
};

inline constexpr std::uint32_t kInUseOpen = 0x746F6E59;
inline constexpr std::uint32_t kInUseClosed = 0x312E3276;
inline constexpr std::uint32_t kFlagEmpty = 1;

inline constexpr std::uint32_t kEntrySize = 4;
inline constexpr std::uint32_t kMaxTracks = 0x7FFFFFFF / 513;
inline constexpr std::uint32_t kMaxEntries = 0x7FFFFFFF / kEntrySize;
inline constexpr std::uint64_t kDefaultClusterSize = std::uint64_t{1} << 20;

// The format extension: one cluster.
struct ExtensionLayout {
  static constexpr std::size_t kSize = 24;
  static constexpr Le<std::uint64_t> kMagic{0};
  static constexpr std::size_t kDigest = 8;  // MD5 of the cluster from kSize on
  static constexpr std::size_t kDigestSize = 16;
};
inline constexpr std::uint64_t kExtensionMagic = 0xAB234CEF23DCEA87;

// A section of it; its data follows, padded to 8 bytes.
struct SectionLayout {
  static constexpr std::size_t kSize = 24;
  static constexpr Le<std::uint64_t> kMagic{0};
  static constexpr Le<std::uint64_t> kFlags{8};
  static constexpr Le<std::uint32_t> kDataSize{16};
};
inline constexpr std::uint64_t kSectionEnd = 0;
inline constexpr std::uint64_t kSectionDirtyBitmap = 0x20385FAE252CB34A;
inline constexpr std::uint64_t kSectionNecessary = 1;

// The data of a dirty bitmap's section: then a table of `kTableEntries` words of 64 bits, each 0 (all clear), 1 (all
// set) or the sector of a cluster of bits.
struct DirtyBitmapLayout {
  static constexpr std::size_t kSize = 32;
  static constexpr Le<std::uint64_t> kSectors{0};
  static constexpr std::size_t kId = 8;
  static constexpr std::size_t kIdSize = 16;
  static constexpr Le<std::uint32_t> kGranularity{24};  // sectors
  static constexpr Le<std::uint32_t> kTableEntries{28};
};

}  // namespace platter::ploop
