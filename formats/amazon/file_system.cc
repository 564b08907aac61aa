#include "formats/amazon/file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "formats/amazon/finding.h"
#include "formats/amazon/layout.h"
#include "formats/core/checked.h"

namespace platter::amazon {
namespace {

using Bytes = std::span<const std::byte>;

// Text up to the first zero; what is not printable becomes '?'.
std::string Text(Bytes bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    const auto c = static_cast<unsigned char>(b);
    if (c == 0) break;
    text += c < 0x20 || c == 0x7F ? '?' : static_cast<char>(c);
  }
  return text;
}

std::string Uuid(Bytes bytes) {
  if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) return "";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(bytes[at]));
  }
  return text;
}

bool StartsWith(Bytes bytes, std::size_t offset, std::string_view magic) {
  return bytes.size() >= offset + magic.size() && std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
}

// Sets the size; a volume that ends before its file system, and one whose size cannot be counted, are findings.
void SetSize(FileSystem& fs, std::uint64_t blocks, std::uint64_t volume_size) {
  const auto size = CheckedMultiply(blocks, fs.block_size);
  if (!size) {
    fs.findings.push_back(
        fmt::format("{} superblock: {} blocks of {} bytes are no size", fs.type, blocks, fs.block_size));
    return;
  }
  fs.size = *size;
  if (fs.size <= volume_size) return;
  fs.findings.push_back(fmt::format("truncated: the file system has {} bytes, the volume {}", fs.size, volume_size));
}

// Feature bits that ext3 does not know: the rule by which blkid tells ext4 from it.
bool IsExt4(const RecordView<ExtSuperblock>& super) {
  constexpr std::uint32_t kExt3Incompatible = 0x2 | 0x4 | 0x10;  // filetype, recover, meta_bg
  constexpr std::uint32_t kExt3ReadOnly = 0x1 | 0x2 | 0x4;       // sparse_super, large_file, btree_dir
  return (super.Get<ExtSuperblock::kIncompatible>() & ~kExt3Incompatible) != 0 ||
         (super.Get<ExtSuperblock::kReadOnlyCompatible>() & ~kExt3ReadOnly) != 0;
}

std::string_view ExtType(const RecordView<ExtSuperblock>& super) {
  constexpr std::uint32_t kHasJournal = 0x4;
  if (IsExt4(super)) return "ext4";
  return (super.Get<ExtSuperblock::kCompatible>() & kHasJournal) != 0 ? "ext3" : "ext2";
}

bool IsSoundExt(const RecordView<ExtSuperblock>& super) {
  constexpr std::uint32_t kJournalDevice = 0x8;
  return super.Get<ExtSuperblock::kMagic>() == ExtSuperblock::kMagicValue &&
         super.Get<ExtSuperblock::kLogBlockSize>() <= 6 && super.Get<ExtSuperblock::kRevision>() <= 1 &&
         super.Get<ExtSuperblock::kInodes>() != 0 && super.Get<ExtSuperblock::kBlocksPerGroup>() != 0 &&
         super.Get<ExtSuperblock::kInodesPerGroup>() != 0 && super.Get<ExtSuperblock::kFirstDataBlock>() <= 1 &&
         (super.Get<ExtSuperblock::kIncompatible>() & kJournalDevice) == 0;
}

std::optional<FileSystem> Ext(Bytes head, std::uint64_t volume_size) {
  if (head.size() < ExtSuperblock::kPlace + ExtSuperblock::kSize) return std::nullopt;
  const auto bytes = head.subspan<ExtSuperblock::kPlace, ExtSuperblock::kSize>();
  const RecordView<ExtSuperblock> super(bytes);
  if (!IsSoundExt(super)) return std::nullopt;
  constexpr std::uint32_t kWide = 0x80;
  FileSystem fs;
  fs.type = ExtType(super);
  fs.label = Text(bytes.subspan(ExtSuperblock::kLabel, ExtSuperblock::kLabelBytes));
  fs.uuid = Uuid(bytes.subspan(ExtSuperblock::kUuid, 16));
  fs.block_size = std::uint64_t{1024} << super.Get<ExtSuperblock::kLogBlockSize>();
  std::uint64_t blocks = super.Get<ExtSuperblock::kBlocksLow>();
  if ((super.Get<ExtSuperblock::kIncompatible>() & kWide) != 0) {
    blocks |= std::uint64_t{super.Get<ExtSuperblock::kBlocksHigh>()} << 32;
  }
  if (blocks == 0) {
    fs.findings.push_back(Finding("file system without blocks", "ext superblock", "s_blocks_count",
                                  ExtSuperblock::kPlace + 4, 0, "at least 1"));
  }
  SetSize(fs, blocks, volume_size);
  fs.reason = fmt::format("magic 0xef53 at 1080; features {:#x}/{:#x}/{:#x}", super.Get<ExtSuperblock::kCompatible>(),
                          super.Get<ExtSuperblock::kIncompatible>(), super.Get<ExtSuperblock::kReadOnlyCompatible>());
  return fs;
}

std::optional<FileSystem> Xfs(Bytes head, std::uint64_t volume_size) {
  if (!StartsWith(head, 0, XfsSuperblock::kMagicText) || head.size() < XfsSuperblock::kSize) return std::nullopt;
  const RecordView<XfsSuperblock> super(head.first<XfsSuperblock::kSize>());
  FileSystem fs;
  fs.type = "xfs";
  fs.label = Text(head.subspan(XfsSuperblock::kLabel, XfsSuperblock::kLabelBytes));
  fs.uuid = Uuid(head.subspan(XfsSuperblock::kUuid, 16));
  fs.block_size = super.Get<XfsSuperblock::kBlockSize>();
  if (fs.block_size < 512 || fs.block_size > 65536 || !std::has_single_bit(fs.block_size)) {
    fs.findings.push_back(Finding("xfs superblock is damaged", "xfs superblock", "sb_blocksize", 4, fs.block_size,
                                  "a power of two from 512 to 65536"));
  }
  const auto sector = super.Get<XfsSuperblock::kSectorSize>();
  if (sector < 512 || sector > 32768 || !std::has_single_bit(sector)) {
    fs.findings.push_back(Finding("xfs superblock is damaged", "xfs superblock", "sb_sectsize", 102, sector,
                                  "a power of two from 512 to 32768"));
  }
  const unsigned version = super.Get<XfsSuperblock::kVersion>() & 0xFU;
  if (version < 1 || version > 5) {
    fs.findings.push_back(
        Finding("xfs superblock is damaged", "xfs superblock", "sb_versionnum", 100, version, "1 to 5"));
  }
  SetSize(fs, super.Get<XfsSuperblock::kBlocks>(), volume_size);
  fs.reason = fmt::format("magic \"XFSB\" at 0; version {}", version);
  return fs;
}

std::optional<FileSystem> Btrfs(Bytes head, std::uint64_t volume_size) {
  if (head.size() < BtrfsSuperblock::kPlace + BtrfsSuperblock::kSize) return std::nullopt;
  const auto bytes = head.subspan<BtrfsSuperblock::kPlace, BtrfsSuperblock::kSize>();
  if (!StartsWith(bytes, BtrfsSuperblock::kMagic, BtrfsSuperblock::kMagicText)) return std::nullopt;
  const RecordView<BtrfsSuperblock> super(bytes);
  FileSystem fs;
  fs.type = "btrfs";
  fs.label = Text(bytes.subspan(BtrfsSuperblock::kLabel, BtrfsSuperblock::kLabelBytes));
  fs.uuid = Uuid(bytes.subspan(BtrfsSuperblock::kUuid, 16));
  fs.block_size = super.Get<BtrfsSuperblock::kSectorSize>();
  const auto bad = [&](std::string_view field, std::size_t at, std::uint64_t found, std::string allowed) {
    fs.findings.push_back(Finding("btrfs superblock is damaged", "btrfs superblock", field,
                                  BtrfsSuperblock::kPlace + at, found, std::move(allowed)));
  };
  if (fs.block_size < 4096 || fs.block_size > 65536 || !std::has_single_bit(fs.block_size)) {
    bad("sectorsize", 144, fs.block_size, "a power of two from 4096 to 65536");
  }
  const std::uint64_t node = super.Get<BtrfsSuperblock::kNodeSize>();
  if (node < 4096 || node > 65536 || !std::has_single_bit(node)) {
    bad("nodesize", 148, node, "a power of two from 4096 to 65536");
  }
  const auto place = super.Get<BtrfsSuperblock::kOwnPlace>();
  if (place != BtrfsSuperblock::kPlace) bad("bytenr", 48, place, "65536");
  const auto devices = super.Get<BtrfsSuperblock::kDevices>();
  if (devices == 0) bad("num_devices", 136, devices, "at least 1");
  fs.size = super.Get<BtrfsSuperblock::kTotalBytes>();
  if (devices == 1 && fs.size > volume_size) {
    fs.findings.push_back(fmt::format("truncated: the file system has {} bytes, the volume {}", fs.size, volume_size));
  }
  if (devices > 1) fs.findings.push_back(fmt::format("one of {} devices of the file system", devices));
  fs.reason = "magic \"_BHRfS_M\" at 65600";
  return fs;
}

std::optional<FileSystem> Squashfs(Bytes head, std::uint64_t volume_size) {
  if (!StartsWith(head, 0, SquashfsSuperblock::kMagicText) || head.size() < SquashfsSuperblock::kSize) {
    return std::nullopt;
  }
  const RecordView<SquashfsSuperblock> super(head.first<SquashfsSuperblock::kSize>());
  FileSystem fs;
  fs.type = "squashfs";
  fs.block_size = super.Get<SquashfsSuperblock::kBlockSize>();
  const auto log = super.Get<SquashfsSuperblock::kBlockLog>();
  if (log < 12 || log > 20 || fs.block_size != std::uint64_t{1} << log) {
    fs.findings.push_back(Finding("squashfs superblock is damaged", "squashfs superblock", "block_size", 12,
                                  fs.block_size, "a power of two from 4096 to 1048576, that of block_log"));
  }
  const auto major = super.Get<SquashfsSuperblock::kMajor>();
  if (major != 4) {
    fs.findings.push_back(Finding("squashfs of another version", "squashfs superblock", "s_major", 28, major, "4"));
  }
  constexpr std::array<std::string_view, 7> kCompressors = {"unknown", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"};
  const auto compression = super.Get<SquashfsSuperblock::kCompression>();
  if (compression == 0 || compression >= kCompressors.size()) {
    fs.findings.push_back(
        Finding("squashfs superblock is damaged", "squashfs superblock", "compression", 20, compression, "1 to 6"));
  }
  fs.size = super.Get<SquashfsSuperblock::kBytesUsed>();
  if (fs.size > volume_size) {
    fs.findings.push_back(fmt::format("truncated: the file system has {} bytes, the volume {}", fs.size, volume_size));
  }
  fs.reason =
      fmt::format("magic \"hsqs\" at 0; version {}.{}, {} compression", major, super.Get<SquashfsSuperblock::kMinor>(),
                  kCompressors[compression < kCompressors.size() ? compression : 0]);
  return fs;
}

}  // namespace

Result<std::optional<FileSystem>> RecogniseFileSystem(Storage& volume) {
  constexpr std::uint64_t kHead = BtrfsSuperblock::kPlace + BtrfsSuperblock::kSize;
  std::vector<std::byte> head(std::min(volume.size(), kHead));
  PLATTER_CHECK(volume.ReadAt(0, head));
  for (const auto recognise : {Btrfs, Xfs, Squashfs, Ext}) {
    if (auto fs = recognise(head, volume.size())) return fs;
  }
  return std::optional<FileSystem>{};
}

}  // namespace platter::amazon
