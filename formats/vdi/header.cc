#include "formats/vdi/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vdi {
namespace {

constexpr std::uint64_t kMaxQemuDisk = std::uint64_t{kMaxBlocks} * kDefaultBlockSize;

Error Refused(ErrorKind kind, std::string what, const char* field, std::size_t offset) {
  return Error(kind, std::move(what)).At("VDI header", field, offset);
}

// The words that qemu's refusals begin with.
Error Unsupported(const std::string& reason, const char* field, std::size_t offset) {
  return Refused(ErrorKind::kUnsupported, fmt::format("unsupported VDI image ({})", reason), field, offset);
}

Error Corrupt(std::string what, const char* field, std::size_t offset) {
  return Refused(ErrorKind::kCorrupt, std::move(what), field, offset);
}

std::string TextAt(std::span<const std::byte> bytes, std::string_view stops) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::string(all.substr(0, all.find_first_of(stops)));
}

Uuid UuidAt(std::span<const std::byte> head, std::size_t offset) {
  Uuid uuid{};
  std::ranges::copy(head.subspan(offset, kUuidBytes), uuid.begin());
  return uuid;
}

template <class Layout>
void ReadCommon(std::span<const std::byte> head, Header& header) {
  const RecordView<Layout> view(head.first<Layout::kSize>());
  header.type = static_cast<ImageType>(view.template Get<Layout::kType>());
  header.flags = view.template Get<Layout::kFlags>();
  header.comment = TextAt(head.subspan(Layout::kComment, kCommentBytes), std::string_view("\0", 1));
  header.cylinders = view.template Get<Layout::kCylinders>();
  header.heads = view.template Get<Layout::kHeads>();
  header.sectors = view.template Get<Layout::kSectors>();
  header.virtual_size = view.template Get<Layout::kDiskSize>();
  header.block_size = view.template Get<Layout::kBlockSize>();
  header.blocks = view.template Get<Layout::kBlocks>();
  header.allocated_blocks = view.template Get<Layout::kAllocatedBlocks>();
  header.creation_uuid = UuidAt(head, Layout::kCreationUuid);
  header.modification_uuid = UuidAt(head, Layout::kModificationUuid);
  header.linkage_uuid = UuidAt(head, Layout::kLinkageUuid);
}

void ReadVersion0(std::span<const std::byte> head, Header& header) {
  ReadCommon<HeaderV0>(head, header);
  header.header_size = HeaderV0::kSize - PreHeader::kSize;
  header.map_offset = HeaderV0::kSize;
  header.data_offset = header.map_offset + header.map_bytes();
}

void ReadVersion1(std::span<const std::byte> head, Header& header) {
  ReadCommon<HeaderV1>(head, header);
  const RecordView<HeaderV1> view(head.first<HeaderV1::kSize>());
  header.header_size = view.Get<HeaderV1::kHeaderSize>();
  header.map_offset = view.Get<HeaderV1::kMapOffset>();
  header.data_offset = view.Get<HeaderV1::kDataOffset>();
  header.block_extra = view.Get<HeaderV1::kBlockExtra>();
  header.parent_modification_uuid = UuidAt(head, HeaderV1::kParentModificationUuid);
}

// The same for both versions but for where the fields stand.
template <class Layout>
Result<> CheckDisk(std::span<const std::byte> head, const Header& header) {
  const auto sector_size = RecordView<Layout>(head.first<Layout::kSize>()).template Get<Layout::kSectorSize>();
  if (sector_size != kSectorSize) {
    return Unsupported(fmt::format("sector size {} is not 512", sector_size), "sector_size",
                       Layout::kSectorSize.offset);
  }
  if (!std::has_single_bit(header.block_size) || header.block_size < kMinBlockSize ||
      header.block_size > kMaxBlockSize) {
    return Corrupt("impossible block size", "block_size", Layout::kBlockSize.offset)
        .Found(header.block_size)
        .Allowed(fmt::format("a power of two from {} to {}", kMinBlockSize, kMaxBlockSize));
  }
  const std::uint64_t room = std::uint64_t{header.blocks} * header.block_size;
  if (header.virtual_size > room) {
    return Unsupported(fmt::format("disk size {}, image bitmap has room for {}", header.virtual_size, room),
                       "disk_size", Layout::kDiskSize.offset);
  }
  if (header.blocks > kMaxBlocks) {
    return Unsupported(fmt::format("too many blocks {}, max is {}", header.blocks, kMaxBlocks), "blocks",
                       Layout::kBlocks.offset);
  }
  const auto type = static_cast<std::uint32_t>(header.type);
  if (type < static_cast<std::uint32_t>(ImageType::kDynamic) ||
      type > static_cast<std::uint32_t>(ImageType::kDifferencing)) {
    return Corrupt("unknown image type", "type", Layout::kType.offset)
        .Found(type)
        .Allowed("1 (dynamic), 2 (static), 3 (undo), 4 (differencing)");
  }
  if (header.has_parent() == IsNull(header.linkage_uuid)) {
    return Corrupt(header.has_parent() ? "image has a parent, and does not say which"
                                       : "image has no parent by its type, and names one",
                   "linkage_uuid", Layout::kLinkageUuid)
        .Found(ToText(header.linkage_uuid))
        .Allowed(fmt::format("{}, as the image is {}", header.has_parent() ? "the parent's UUID" : "null",
                             TypeName(header.type)));
  }
  return Done{};
}

// What version 1 alone has; in version 0.1 the places follow from each other.
Result<> CheckAlignment(const Header& header) {
  if (header.map_offset % kSectorSize != 0) {
    return Unsupported(fmt::format("unaligned block map offset {:#x}", header.map_offset), "map_offset",
                       HeaderV1::kMapOffset.offset);
  }
  if (header.data_offset % kSectorSize != 0) {
    return Unsupported(fmt::format("unaligned data offset {:#x}", header.data_offset), "data_offset",
                       HeaderV1::kDataOffset.offset);
  }
  return Done{};
}

Result<> CheckPlaces(const Header& header) {
  if (header.header_size < kMinHeaderSize) {
    return Corrupt("header is too short", "header_size", HeaderV1::kHeaderSize.offset)
        .Found(header.header_size)
        .Allowed(fmt::format("at least {}", kMinHeaderSize));
  }
  const std::uint64_t header_end = PreHeader::kSize + std::uint64_t{header.header_size};
  if (header.map_offset < header_end) {
    return Corrupt("block map overlaps the header", "map_offset", HeaderV1::kMapOffset.offset)
        .Found(header.map_offset)
        .Allowed(fmt::format("at least {}", header_end));
  }
  const std::uint64_t map_end = header.map_offset + header.map_bytes();
  if (header.data_offset < map_end) {
    return Corrupt("blocks overlap the block map", "data_offset", HeaderV1::kDataOffset.offset)
        .Found(header.data_offset)
        .Allowed(fmt::format("at least {}", map_end));
  }
  if (header.block_extra % kSectorSize != 0 || header.block_extra > kMaxBlockSize) {
    return Corrupt("impossible size of the data in front of blocks", "block_extra", HeaderV1::kBlockExtra.offset)
        .Found(header.block_extra)
        .Allowed(fmt::format("a multiple of {} up to {}", kSectorSize, kMaxBlockSize));
  }
  return Done{};
}

// In qemu's order.
Result<> CheckForQemu(const Header& header) {
  if (header.virtual_size > kMaxQemuDisk) {
    return Refused(ErrorKind::kUnsupported,
                   fmt::format("Unsupported VDI image size (size is {:#x}, max supported is {:#x})",
                               header.virtual_size, kMaxQemuDisk),
                   "disk_size", HeaderV1::kDiskSize.offset);
  }
  if (header.block_size != kDefaultBlockSize) {
    return Unsupported(fmt::format("block size {} is not {}", header.block_size, kDefaultBlockSize), "block_size",
                       HeaderV1::kBlockSize.offset);
  }
  if (!IsNull(header.linkage_uuid)) {
    return Unsupported("non-NULL link UUID", "linkage_uuid", HeaderV1::kLinkageUuid);
  }
  if (!IsNull(header.parent_modification_uuid)) {
    return Unsupported("non-NULL parent UUID", "parent_modification_uuid", HeaderV1::kParentModificationUuid);
  }
  return Done{};
}

Result<> CheckVersion(const Header& header, Dialect dialect) {
  const bool known = (header.major_version == 1 && header.minor_version <= 1) ||
                     (header.major_version == 0 && header.minor_version == 1);
  const bool qemus = header.major_version == 1 && header.minor_version == 1;
  if (qemus || (known && dialect == Dialect::kPlatter)) return Done{};
  return Unsupported(fmt::format("version {}.{}", header.major_version, header.minor_version), "version",
                     PreHeader::kMinorVersion.offset)
      .Allowed("0.1, 1.0, 1.1");
}

Result<> CheckMapFits(const Header& header, std::uint64_t file_size) {
  if (FitsWithin(header.map_offset, header.map_bytes(), file_size)) return Done{};
  return Corrupt("block map lies outside the file", "map_offset", HeaderV1::kMapOffset.offset)
      .Found(fmt::format("{} bytes at {}", header.map_bytes(), header.map_offset))
      .Allowed(fmt::format("inside the file's {} bytes", file_size));
}

void WriteUuid(std::vector<std::byte>& bytes, std::size_t offset, const Uuid& uuid) {
  std::ranges::copy(uuid, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

void WriteText(std::vector<std::byte>& bytes, std::size_t offset, std::string_view text) {
  std::ranges::copy(std::as_bytes(std::span(text)), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

const char* TypeName(ImageType type) noexcept {
  switch (type) {
    case ImageType::kDynamic:
      return "dynamic";
    case ImageType::kStatic:
      return "static";
    case ImageType::kUndo:
      return "undo";
    case ImageType::kDifferencing:
      return "differencing";
  }
  return "unknown";
}

std::uint64_t Header::GuestBytes(std::uint64_t block) const noexcept {
  const std::uint64_t begin = block * block_size;
  return begin >= virtual_size ? 0 : std::min<std::uint64_t>(block_size, virtual_size - begin);
}

Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size, Dialect dialect) {
  if (head.size() < PreHeader::kSize) return Error(ErrorKind::kNotThisFormat, "Image not in VDI format");
  const RecordView<PreHeader> view(head.first<PreHeader::kSize>());
  if (view.Get<PreHeader::kSignature>() != kSignature) {
    return Refused(ErrorKind::kNotThisFormat,
                   fmt::format("Image not in VDI format (bad signature {:08x})", view.Get<PreHeader::kSignature>()),
                   "signature", PreHeader::kSignature.offset);
  }
  Header header;
  header.text = TextAt(head.subspan(PreHeader::kText, kTextBytes), std::string_view("\0\r\n", 3));
  header.major_version = view.Get<PreHeader::kMajorVersion>();
  header.minor_version = view.Get<PreHeader::kMinorVersion>();
  PLATTER_CHECK(CheckVersion(header, dialect));
  const bool version0 = header.major_version == 0;
  const std::size_t needed = version0 ? HeaderV0::kSize : HeaderV1::kSize;
  if (head.size() < needed) {
    return Corrupt("file ends inside the header", "whole header", 0)
        .Found(head.size())
        .Allowed(fmt::format("at least {} bytes", needed));
  }
  if (version0) {
    ReadVersion0(head, header);
  } else {
    ReadVersion1(head, header);
    PLATTER_CHECK(CheckAlignment(header));
  }
  const auto whole_sectors = CheckedAlignUp<std::uint64_t>(header.virtual_size, kSectorSize);
  if (!whole_sectors) return Corrupt("impossible disk size", "disk_size", HeaderV1::kDiskSize.offset);
  header.virtual_size = *whole_sectors;
  if (dialect == Dialect::kQemu) PLATTER_CHECK(CheckForQemu(header));
  PLATTER_CHECK(version0 ? CheckDisk<HeaderV0>(head, header) : CheckDisk<HeaderV1>(head, header));
  if (!version0) PLATTER_CHECK(CheckPlaces(header));
  PLATTER_CHECK(CheckMapFits(header, file_size));
  return header;
}

std::vector<std::byte> SerializeHeader(const Header& header) {
  std::vector<std::byte> bytes(header.map_offset);
  WriteText(bytes, PreHeader::kText, header.text.substr(0, kTextBytes));
  const auto head = std::span(bytes);
  RecordEditor<PreHeader> pre(head.first<PreHeader::kSize>());
  pre.Set<PreHeader::kSignature>(kSignature);
  pre.Set<PreHeader::kMajorVersion>(header.major_version);
  pre.Set<PreHeader::kMinorVersion>(header.minor_version);
  RecordEditor<HeaderV1> record(head.first<HeaderV1::kSize>());
  record.Set<HeaderV1::kHeaderSize>(header.header_size);
  record.Set<HeaderV1::kType>(static_cast<std::uint32_t>(header.type));
  record.Set<HeaderV1::kFlags>(header.flags);
  WriteText(bytes, HeaderV1::kComment, header.comment.substr(0, kCommentBytes));
  record.Set<HeaderV1::kMapOffset>(static_cast<std::uint32_t>(header.map_offset));
  record.Set<HeaderV1::kDataOffset>(static_cast<std::uint32_t>(header.data_offset));
  record.Set<HeaderV1::kCylinders>(header.cylinders);
  record.Set<HeaderV1::kHeads>(header.heads);
  record.Set<HeaderV1::kSectors>(header.sectors);
  record.Set<HeaderV1::kSectorSize>(kSectorSize);
  record.Set<HeaderV1::kDiskSize>(header.virtual_size);
  record.Set<HeaderV1::kBlockSize>(header.block_size);
  record.Set<HeaderV1::kBlockExtra>(header.block_extra);
  record.Set<HeaderV1::kBlocks>(header.blocks);
  record.Set<HeaderV1::kAllocatedBlocks>(header.allocated_blocks);
  WriteUuid(bytes, HeaderV1::kCreationUuid, header.creation_uuid);
  WriteUuid(bytes, HeaderV1::kModificationUuid, header.modification_uuid);
  WriteUuid(bytes, HeaderV1::kLinkageUuid, header.linkage_uuid);
  WriteUuid(bytes, HeaderV1::kParentModificationUuid, header.parent_modification_uuid);
  return bytes;
}

}  // namespace platter::vdi
