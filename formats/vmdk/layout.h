// On-disk structures of VMDK. All numbers are little-endian; places and sizes in headers and tables are in sectors of
// 512 bytes. Section names are those of VMware's "Virtual Disk Format 5.0".
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::vmdk {

inline constexpr std::uint64_t kSectorSize = 512;  // bytes

// Section "Hosted Sparse Extent Header". The record is packed: its 64-bit fields stand at any multiple of 4.
inline constexpr std::uint32_t kSparseMagic = 0x564D444B;  // "KDMV"

struct SparseHeaderLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint32_t> kMagic{0};
  static constexpr Le<std::uint32_t> kVersion{4};
  static constexpr Le<std::uint32_t> kFlags{8};
  static constexpr Le<std::uint64_t> kCapacity{12};
  static constexpr Le<std::uint64_t> kGrainSize{20};
  static constexpr Le<std::uint64_t> kDescriptorOffset{28};
  static constexpr Le<std::uint64_t> kDescriptorSize{36};
  static constexpr Le<std::uint32_t> kGrainTableEntries{44};
  static constexpr Le<std::uint64_t> kRedundantDirectoryOffset{48};
  static constexpr Le<std::uint64_t> kDirectoryOffset{56};
  static constexpr Le<std::uint64_t> kOverhead{64};
  static constexpr Le<std::uint8_t> kUncleanShutdown{72};
  static constexpr Le<std::uint32_t> kLineEndTest{73};
  static constexpr Le<std::uint16_t> kCompressAlgorithm{77};
};

inline constexpr std::uint32_t kMaxVersion = 3;

// kFlags.
inline constexpr std::uint32_t kFlagLineEndTest = 1U << 0;         // kLineEndTest holds kLineEnds
inline constexpr std::uint32_t kFlagRedundantDirectory = 1U << 1;  // kRedundantDirectoryOffset counts
inline constexpr std::uint32_t kFlagZeroedGrains = 1U << 2;        // a grain table entry may be kZeroedGrain
inline constexpr std::uint32_t kFlagCompressed = 1U << 16;
inline constexpr std::uint32_t kFlagMarkers = 1U << 17;

inline constexpr std::uint32_t kLineEnds = 0x0A0D200A;  // "\n \r\n": a transfer as text changes it
inline constexpr std::uint16_t kCompressNone = 0;
inline constexpr std::uint16_t kCompressDeflate = 1;  // with zlib's wrapper, RFC 1950
inline constexpr std::uint64_t kDirectoryAtEnd = ~std::uint64_t{0};

inline constexpr std::uint32_t kGrainTableEntries = 512;  // of every extent that is legal
inline constexpr std::uint64_t kDefaultGrainSectors = 128;
inline constexpr std::uint64_t kMaxGrainSectors = 0x200000;  // 1 GiB
inline constexpr std::uint64_t kMaxDirectoryEntries = std::uint64_t{32} << 20;
inline constexpr std::uint64_t kMaxDescriptorBytes = (std::uint64_t{1} << 20) - 1;

// Section "Grain Table". An entry of a directory or a table is the sector of what it leads to.
inline constexpr std::uint64_t kEntrySize = 4;  // bytes
inline constexpr std::uint32_t kNoGrain = 0;
inline constexpr std::uint32_t kZeroedGrain = 1;

// Section "Stream-Optimized Compressed Sparse Extents": a marker in front of each grain, with the data right behind it,
struct GrainMarkerLayout {
  static constexpr std::size_t kSize = 12;
  static constexpr Le<std::uint64_t> kLba{0};        // guest sector within the extent
  static constexpr Le<std::uint32_t> kDataBytes{8};  // of compressed data, not 0
};

// and a sector of its own in front of each piece of metadata.
struct MetadataMarkerLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint64_t> kSectors{0};    // of what follows
  static constexpr Le<std::uint32_t> kDataBytes{8};  // 0: tells it from a grain
  static constexpr Le<std::uint32_t> kType{12};
};

enum class Marker : std::uint32_t { kEndOfStream = 0, kGrainTable = 1, kGrainDirectory = 2, kFooter = 3 };

// The last three sectors of a stream: a footer marker, the footer (a header that knows where the directory is) and the
// end-of-stream marker.
inline constexpr std::uint64_t kTrailerSize = 3 * kSectorSize;  // bytes

// Section "ESX Server Sparse Extent Header": copy-on-write disks.
inline constexpr std::uint32_t kCowdMagic = 0x44574F43;  // "COWD"

struct CowdHeaderLayout {
  static constexpr std::size_t kSize = 512;  // the part that counts; names of a parent follow up to 2048
  static constexpr Le<std::uint32_t> kMagic{0};
  static constexpr Le<std::uint32_t> kVersion{4};
  static constexpr Le<std::uint32_t> kFlags{8};
  static constexpr Le<std::uint32_t> kCapacity{12};
  static constexpr Le<std::uint32_t> kGrainSize{16};
  static constexpr Le<std::uint32_t> kDirectoryOffset{20};
  static constexpr Le<std::uint32_t> kDirectoryEntries{24};
  static constexpr Le<std::uint32_t> kFreeSector{28};
};

inline constexpr std::uint32_t kCowdVersion = 1;
inline constexpr std::uint32_t kCowdGrainTableEntries = 4096;

// seSparse, as vSphere 6.5 writes it: 64-bit entries. No specification is public; see README.md.
inline constexpr std::uint64_t kSeSparseMagic = 0x00000000CAFEBABE;
inline constexpr std::uint64_t kSeSparseVersion = 0x0000000200000001;
inline constexpr std::uint64_t kSeSparseVolatileMagic = 0x00000000CAFECAFE;

struct SeSparseHeaderLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint64_t> kMagic{0};
  static constexpr Le<std::uint64_t> kVersion{8};
  static constexpr Le<std::uint64_t> kCapacity{16};
  static constexpr Le<std::uint64_t> kGrainSize{24};
  static constexpr Le<std::uint64_t> kGrainTableSize{32};
  static constexpr Le<std::uint64_t> kFlags{40};
  static constexpr Le<std::uint64_t> kReserved1{48};
  static constexpr Le<std::uint64_t> kReserved2{56};
  static constexpr Le<std::uint64_t> kReserved3{64};
  static constexpr Le<std::uint64_t> kReserved4{72};
  static constexpr Le<std::uint64_t> kVolatileHeaderOffset{80};
  static constexpr Le<std::uint64_t> kVolatileHeaderSize{88};
  static constexpr Le<std::uint64_t> kJournalHeaderOffset{96};
  static constexpr Le<std::uint64_t> kJournalHeaderSize{104};
  static constexpr Le<std::uint64_t> kJournalOffset{112};
  static constexpr Le<std::uint64_t> kJournalSize{120};
  static constexpr Le<std::uint64_t> kDirectoryOffset{128};
  static constexpr Le<std::uint64_t> kDirectorySize{136};
  static constexpr Le<std::uint64_t> kGrainTablesOffset{144};
  static constexpr Le<std::uint64_t> kGrainTablesSize{152};
  static constexpr Le<std::uint64_t> kFreeBitmapOffset{160};
  static constexpr Le<std::uint64_t> kFreeBitmapSize{168};
  static constexpr Le<std::uint64_t> kBackMapOffset{176};
  static constexpr Le<std::uint64_t> kBackMapSize{184};
  static constexpr Le<std::uint64_t> kGrainsOffset{192};
  static constexpr Le<std::uint64_t> kGrainsSize{200};
};

struct SeSparseVolatileLayout {
  static constexpr std::size_t kSize = 512;
  static constexpr Le<std::uint64_t> kMagic{0};
  static constexpr Le<std::uint64_t> kFreeTableNumber{8};
  static constexpr Le<std::uint64_t> kNextSequence{16};
  static constexpr Le<std::uint64_t> kReplayJournal{24};  // not 0: the journal is not applied yet
};

inline constexpr std::uint64_t kSeSparseEntrySize = 8;  // bytes
inline constexpr std::uint64_t kSeSparseGrainSectors = 8;
inline constexpr std::uint64_t kSeSparseTableSectors = 64;
inline constexpr std::uint64_t kSeSparseTableEntries = kSeSparseTableSectors * kSectorSize / kSeSparseEntrySize;

}  // namespace platter::vmdk
