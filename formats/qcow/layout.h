// On-disk structures of qcow, version 1. All numbers are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::qcow {

inline constexpr std::uint32_t kMagic = 0x514649FB;  // "QFI\xfb", as of qcow2
inline constexpr std::uint32_t kVersion = 1;

struct HeaderLayout {
  static constexpr std::size_t kSize = 48;
  static constexpr Be<std::uint32_t> kMagic{0};
  static constexpr Be<std::uint32_t> kVersion{4};
  static constexpr Be<std::uint64_t> kBackingFileOffset{8};
  static constexpr Be<std::uint32_t> kBackingFileSize{16};
  static constexpr Be<std::uint32_t> kModificationTime{20};
  static constexpr Be<std::uint64_t> kVirtualSize{24};
  static constexpr Be<std::uint8_t> kClusterBits{32};
  static constexpr Be<std::uint8_t> kL2Bits{33};  // log2 of the entries of an L2 table
  static constexpr Be<std::uint32_t> kCryptMethod{36};
  static constexpr Be<std::uint64_t> kL1TableOffset{40};
};

inline constexpr std::uint32_t kMinClusterBits = 9;
inline constexpr std::uint32_t kMaxClusterBits = 16;
inline constexpr std::uint32_t kMinL2Bits = 6;
inline constexpr std::uint32_t kMaxL2Bits = 13;
inline constexpr std::uint32_t kMaxBackingNameBytes = 1023;
inline constexpr std::uint32_t kCryptNone = 0;
inline constexpr std::uint32_t kCryptAes = 1;

// An entry of either table is a host offset; 0 is unallocated. A compressed cluster's L2 entry has its size in bytes
// above the offset, which has 63 - cluster_bits bits.
inline constexpr std::uint64_t kCompressed = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kSectorSize = 512;
inline constexpr std::size_t kEntrySize = 8;

}  // namespace platter::qcow
