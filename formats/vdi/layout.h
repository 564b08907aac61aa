// On-disk structures of VDI. All numbers are little-endian, and so are the first three fields of a UUID.
//
// A file is: pre-header (72 bytes), header, block map, blocks. The map has a word for each block of the guest disk: the
// number of its place among the blocks of the file, or one of two marks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::vdi {

inline constexpr std::uint32_t kSignature = 0xBEDA107F;
inline constexpr std::size_t kTextBytes = 64;
inline constexpr std::size_t kCommentBytes = 256;
inline constexpr std::size_t kUuidBytes = 16;
inline constexpr std::uint32_t kSectorSize = 512;

struct PreHeader {
  static constexpr std::size_t kSize = 72;
  static constexpr std::size_t kText = 0;  // for people; says which program made the image
  static constexpr Le<std::uint32_t> kSignature{64};
  static constexpr Le<std::uint16_t> kMinorVersion{68};
  static constexpr Le<std::uint16_t> kMajorVersion{70};
};

// Version 1; offsets from the start of the file. UUIDs and the comment are bytes.
struct HeaderV1 {
  static constexpr std::size_t kSize = 456;
  static constexpr Le<std::uint32_t> kHeaderSize{72};
  static constexpr Le<std::uint32_t> kType{76};
  static constexpr Le<std::uint32_t> kFlags{80};
  static constexpr std::size_t kComment = 84;
  static constexpr Le<std::uint32_t> kMapOffset{340};
  static constexpr Le<std::uint32_t> kDataOffset{344};
  static constexpr Le<std::uint32_t> kCylinders{348};
  static constexpr Le<std::uint32_t> kHeads{352};
  static constexpr Le<std::uint32_t> kSectors{356};
  static constexpr Le<std::uint32_t> kSectorSize{360};
  static constexpr Le<std::uint64_t> kDiskSize{368};
  static constexpr Le<std::uint32_t> kBlockSize{376};
  static constexpr Le<std::uint32_t> kBlockExtra{380};
  static constexpr Le<std::uint32_t> kBlocks{384};
  static constexpr Le<std::uint32_t> kAllocatedBlocks{388};
  static constexpr std::size_t kCreationUuid = 392;
  static constexpr std::size_t kModificationUuid = 408;
  static constexpr std::size_t kLinkageUuid = 424;
  static constexpr std::size_t kParentModificationUuid = 440;
};

// Version 0.1, of the first beta versions of VirtualBox: the map follows the header, the blocks follow the map.
struct HeaderV0 {
  static constexpr std::size_t kSize = 420;
  static constexpr Le<std::uint32_t> kType{72};
  static constexpr Le<std::uint32_t> kFlags{76};
  static constexpr std::size_t kComment = 80;
  static constexpr Le<std::uint32_t> kCylinders{336};
  static constexpr Le<std::uint32_t> kHeads{340};
  static constexpr Le<std::uint32_t> kSectors{344};
  static constexpr Le<std::uint32_t> kSectorSize{348};
  static constexpr Le<std::uint64_t> kDiskSize{352};
  static constexpr Le<std::uint32_t> kBlockSize{360};
  static constexpr Le<std::uint32_t> kBlocks{364};
  static constexpr Le<std::uint32_t> kAllocatedBlocks{368};
  static constexpr std::size_t kCreationUuid = 372;
  static constexpr std::size_t kModificationUuid = 388;
  static constexpr std::size_t kLinkageUuid = 404;
};

inline constexpr std::size_t kMaxHeaderSize = HeaderV1::kSize;
// Of the field header_size, which counts from byte 72: HeaderV1 without and with the logical geometry.
inline constexpr std::uint32_t kMinHeaderSize = 0x180;
inline constexpr std::uint32_t kMaxKnownHeaderSize = 0x190;

inline constexpr std::uint32_t kEntrySize = 4;
inline constexpr std::uint32_t kNeverAllocated = 0xFFFFFFFF;  // reads as zero, or as the parent's block
inline constexpr std::uint32_t kDiscarded = 0xFFFFFFFE;       // reads as zero

inline constexpr std::uint32_t kDefaultBlockSize = std::uint32_t{1} << 20;
inline constexpr std::uint32_t kMinBlockSize = kSectorSize;
inline constexpr std::uint32_t kMaxBlockSize = std::uint32_t{1} << 30;
// So many that the map's size in bytes, rounded up to sectors, is a signed 32-bit number.
inline constexpr std::uint32_t kMaxBlocks = 0x1FFFFF80;

}  // namespace platter::vdi
