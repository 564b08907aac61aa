// What the recognisers look at: superblocks, kernel headers, cpio headers. Offsets from the start of the structure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/core/bytes.h"

namespace platter::amazon {

// ext2, ext3 and ext4 (linux/Documentation/filesystems/ext4/super.rst).
struct ExtSuperblock {
  static constexpr std::uint64_t kPlace = 1024;  // from the volume's start
  static constexpr std::size_t kSize = 1024;
  static constexpr Le<std::uint32_t> kInodes{0};
  static constexpr Le<std::uint32_t> kBlocksLow{4};
  static constexpr Le<std::uint32_t> kFirstDataBlock{20};
  static constexpr Le<std::uint32_t> kLogBlockSize{24};
  static constexpr Le<std::uint32_t> kBlocksPerGroup{32};
  static constexpr Le<std::uint32_t> kInodesPerGroup{40};
  static constexpr Le<std::uint16_t> kMagic{56};
  static constexpr Le<std::uint16_t> kState{58};
  static constexpr Le<std::uint32_t> kRevision{76};
  static constexpr Le<std::uint32_t> kCompatible{92};
  static constexpr Le<std::uint32_t> kIncompatible{96};
  static constexpr Le<std::uint32_t> kReadOnlyCompatible{100};
  static constexpr std::size_t kUuid = 104;
  static constexpr std::size_t kLabel = 120;
  static constexpr std::size_t kLabelBytes = 16;
  static constexpr Le<std::uint32_t> kBlocksHigh{336};
  static constexpr std::uint16_t kMagicValue = 0xEF53;
};

struct XfsSuperblock {
  static constexpr std::size_t kSize = 512;
  static constexpr char kMagicText[] = "XFSB";
  static constexpr Be<std::uint32_t> kBlockSize{4};
  static constexpr Be<std::uint64_t> kBlocks{8};
  static constexpr std::size_t kUuid = 32;
  static constexpr Be<std::uint16_t> kVersion{100};  // low nibble: 1 to 5
  static constexpr Be<std::uint16_t> kSectorSize{102};
  static constexpr std::size_t kLabel = 108;
  static constexpr std::size_t kLabelBytes = 12;
};

struct BtrfsSuperblock {
  static constexpr std::uint64_t kPlace = 65536;
  static constexpr std::size_t kSize = 4096;
  static constexpr std::size_t kUuid = 32;
  static constexpr Le<std::uint64_t> kOwnPlace{48};
  static constexpr std::size_t kMagic = 64;
  static constexpr char kMagicText[] = "_BHRfS_M";
  static constexpr Le<std::uint64_t> kTotalBytes{112};
  static constexpr Le<std::uint64_t> kDevices{136};
  static constexpr Le<std::uint32_t> kSectorSize{144};
  static constexpr Le<std::uint32_t> kNodeSize{148};
  static constexpr std::size_t kLabel = 299;
  static constexpr std::size_t kLabelBytes = 256;
};

struct SquashfsSuperblock {
  static constexpr std::size_t kSize = 96;
  static constexpr char kMagicText[] = "hsqs";
  static constexpr Le<std::uint32_t> kBlockSize{12};
  static constexpr Le<std::uint16_t> kCompression{20};
  static constexpr Le<std::uint16_t> kBlockLog{22};
  static constexpr Le<std::uint16_t> kMajor{28};
  static constexpr Le<std::uint16_t> kMinor{30};
  static constexpr Le<std::uint64_t> kBytesUsed{40};
};

// The setup header of an x86 kernel (linux/Documentation/arch/x86/boot.rst).
struct SetupHeader {
  static constexpr std::size_t kSize = 1024;
  static constexpr Le<std::uint8_t> kSetupSectors{0x1F1};  // 0 means 4
  static constexpr Le<std::uint32_t> kSysSize{0x1F4};      // units of 16 bytes
  static constexpr Le<std::uint16_t> kBootFlag{0x1FE};
  static constexpr std::size_t kMagic = 0x202;
  static constexpr char kMagicText[] = "HdrS";
  static constexpr Le<std::uint16_t> kProtocol{0x206};
  static constexpr Le<std::uint16_t> kVersionPointer{0x20E};  // plus 0x200
  static constexpr Le<std::uint8_t> kLoadFlags{0x211};
  static constexpr Le<std::uint8_t> kRelocatable{0x234};     // from protocol 2.05
  static constexpr Le<std::uint16_t> kXLoadFlags{0x236};     // from 2.12
  static constexpr Le<std::uint32_t> kPayloadOffset{0x248};  // from 2.08, from the protected-mode code
  static constexpr Le<std::uint32_t> kPayloadLength{0x24C};
};

// linux/Documentation/arch/arm64/booting.rst; RISC-V shares the shape.
struct FlatImageHeader {
  static constexpr std::size_t kSize = 64;
  static constexpr Le<std::uint64_t> kTextOffset{8};
  static constexpr Le<std::uint64_t> kImageSize{16};
  static constexpr Le<std::uint64_t> kFlags{24};
  static constexpr Le<std::uint32_t> kMagic{56};
  static constexpr Le<std::uint32_t> kPeOffset{60};
  static constexpr std::uint32_t kArm64 = 0x644D5241;  // "ARM\x64"
  static constexpr std::uint32_t kRiscV = 0x05435352;  // "RSC\x05"
};

// A compressed kernel inside an EFI application (linux/drivers/firmware/efi/libstub/zboot-header.S).
struct ZbootHeader {
  static constexpr std::size_t kSize = 64;
  static constexpr std::size_t kMagic = 4;
  static constexpr char kMagicText[] = "zimg";
  static constexpr Le<std::uint32_t> kPayloadOffset{8};
  static constexpr Le<std::uint32_t> kPayloadSize{12};
  static constexpr std::size_t kCompression = 24;
  static constexpr std::size_t kCompressionBytes = 32;
  static constexpr Le<std::uint32_t> kPeOffset{60};
};

struct ZImageHeader {
  static constexpr std::size_t kSize = 64;
  static constexpr Le<std::uint32_t> kMagic{36};
  static constexpr Le<std::uint32_t> kStart{40};
  static constexpr Le<std::uint32_t> kEnd{44};
  static constexpr std::uint32_t kMagicValue = 0x016F2818;
};

struct ElfHeader64 {
  static constexpr std::size_t kSize = 64;
  static constexpr char kMagicText[] =
      "\x7F"
      "ELF";
  static constexpr Le<std::uint8_t> kClass{4};  // 2: 64-bit
  static constexpr Le<std::uint8_t> kData{5};   // 1: little-endian
  static constexpr Le<std::uint16_t> kType{16};
  static constexpr Le<std::uint16_t> kMachine{18};
  static constexpr Le<std::uint64_t> kProgramOffset{32};
  static constexpr Le<std::uint16_t> kProgramEntrySize{54};
  static constexpr Le<std::uint16_t> kProgramCount{56};
};

struct ElfProgram64 {
  static constexpr std::size_t kSize = 56;
  static constexpr Le<std::uint32_t> kType{0};
  static constexpr Le<std::uint64_t> kOffset{8};
  static constexpr Le<std::uint64_t> kVirtualAddress{16};
  static constexpr Le<std::uint64_t> kFileBytes{32};
};

// cpio "newc" and "crc" (linux/Documentation/driver-api/early-userspace/buffer-format.rst): text, fields of eight
// hexadecimal digits.
struct CpioHeader {
  static constexpr std::size_t kSize = 110;
  static constexpr std::size_t kMagicBytes = 6;
  static constexpr std::size_t kFieldBytes = 8;
  static constexpr std::size_t kMode = 1;  // numbers of fields
  static constexpr std::size_t kFileSize = 6;
  static constexpr std::size_t kNameSize = 11;
  static constexpr std::size_t kFieldCount = 13;
};

}  // namespace platter::amazon
