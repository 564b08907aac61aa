#include "formats/ploop/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"

namespace platter::ploop {
namespace {

Error Corrupt(std::string what, const char* field, std::size_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("ploop header", field, offset);
}

Error NotThisFormat() { return Error(ErrorKind::kNotThisFormat, "Image not in Parallels format"); }

bool HasMagic(std::span<const std::byte> head, std::string_view magic) {
  return std::ranges::equal(head.first(magic.size()), std::as_bytes(std::span(magic)));
}

// In qemu's order and words.
Result<> CheckGeometry(std::uint32_t tracks, const Header& header) {
  if (tracks == 0) return Corrupt("Invalid image: Zero sectors per track", "tracks", HeaderLayout::kTracks.offset);
  if (tracks > kMaxTracks) {
    return Corrupt("Invalid image: Too big cluster", "tracks", HeaderLayout::kTracks.offset)
        .Found(tracks)
        .Allowed(fmt::format("up to {}", kMaxTracks));
  }
  if (header.entries > kMaxEntries) {
    return Corrupt("Catalog too large", "entries", HeaderLayout::kEntries.offset)
        .Found(header.entries)
        .Allowed(fmt::format("up to {}", kMaxEntries));
  }
  const std::uint64_t needed = DivideRoundingUp(header.virtual_size, header.cluster_size);
  if (header.entries >= needed) return Done{};
  return Corrupt("allocation table is too short for the disk", "entries", HeaderLayout::kEntries.offset)
      .Found(header.entries)
      .Allowed(fmt::format("at least {}", needed));
}

Result<> CheckTables(const Header& header, std::uint64_t file_size) {
  const std::uint64_t bat_end = header.EntryOffset(header.entries);
  if (bat_end > file_size) {
    return Corrupt("allocation table lies outside the file", "entries", HeaderLayout::kEntries.offset)
        .Found(fmt::format("{} entries", header.entries))
        .Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  if (header.data_offset < bat_end) {
    return Corrupt("clusters overlap the allocation table", "data_offset", HeaderLayout::kDataOffset.offset)
        .Found(header.data_offset / kSectorSize)
        .Allowed(fmt::format("at least {} sectors", DivideRoundingUp(bat_end, kSectorSize)));
  }
  if (header.version == 2 && header.data_offset % header.cluster_size != 0) {
    return Corrupt("clusters are not aligned", "data_offset", HeaderLayout::kDataOffset.offset)
        .Found(header.data_offset / kSectorSize)
        .Allowed(fmt::format("a multiple of {}", header.cluster_size / kSectorSize));
  }
  return Done{};
}

// kCorrupt when the number of sectors is none that bytes can be counted for.
Result<> TakeSectors(std::uint64_t sectors, Header& header) {
  if (header.version == 1) sectors &= 0xFFFFFFFF;
  if (sectors > (std::uint64_t{1} << 63) / kSectorSize - 1) {
    return Corrupt("Could not refresh total sector count: File too large", "sectors", HeaderLayout::kSectors.offset)
        .Found(sectors);
  }
  header.virtual_size = sectors * kSectorSize;
  return Done{};
}

Result<> TakeExtension(std::uint64_t sector, std::uint64_t file_size, Header& header) {
  if (header.version == 1 || sector == 0) return Done{};
  if (sector > file_size / kSectorSize || !FitsWithin(sector * kSectorSize, header.cluster_size, file_size)) {
    return Corrupt("format extension lies outside the file", "extension_offset", HeaderLayout::kExtensionOffset.offset)
        .Found(sector)
        .Allowed(fmt::format("a cluster inside the file's {} bytes", file_size));
  }
  header.extension_offset = sector * kSectorSize;
  return Done{};
}

}  // namespace

std::uint64_t Header::GuestBytes(std::uint64_t cluster) const noexcept {
  const std::uint64_t begin = cluster * cluster_size;
  return begin >= virtual_size ? 0 : std::min(cluster_size, virtual_size - begin);
}

Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size) {
  Header header;
  if (head.size() < kMagicV1.size()) return NotThisFormat();
  const bool v2 = HasMagic(head, kMagicV2);
  if (!v2 && !HasMagic(head, kMagicV1)) return NotThisFormat();
  header.version = v2 ? 2 : 1;
  if (head.size() < HeaderLayout::kSize) {
    return Corrupt("file ends inside the header", "whole header", 0).Found(head.size()).Allowed("at least 64 bytes");
  }
  const RecordView<HeaderLayout> view(head.first<HeaderLayout::kSize>());
  const auto version = view.Get<HeaderLayout::kVersion>();
  if (version != kVersion) {
    return NotThisFormat().At("ploop header", "version", HeaderLayout::kVersion.offset).Found(version).Allowed("2");
  }
  const auto tracks = view.Get<HeaderLayout::kTracks>();
  header.heads = view.Get<HeaderLayout::kHeads>();
  header.cylinders = view.Get<HeaderLayout::kCylinders>();
  header.cluster_size = std::max<std::uint64_t>(tracks, 1) * kSectorSize;
  header.entries = view.Get<HeaderLayout::kEntries>();
  header.in_use = view.Get<HeaderLayout::kInUse>();
  header.flags = view.Get<HeaderLayout::kFlags>();
  header.data_offset = view.Get<HeaderLayout::kDataOffset>() * kSectorSize;
  if (header.version == 1 && header.data_offset == 0) {
    header.data_offset = AlignUp(header.EntryOffset(header.entries), kSectorSize);
  }
  PLATTER_CHECK(TakeSectors(view.Get<HeaderLayout::kSectors>(), header));
  PLATTER_CHECK(CheckGeometry(tracks, header));
  PLATTER_CHECK(CheckTables(header, file_size));
  PLATTER_CHECK(TakeExtension(view.Get<HeaderLayout::kExtensionOffset>(), file_size, header));
  return header;
}

Result<Header> ReadHeader(Storage& storage) {
  const std::uint64_t file_size = storage.size();
  std::array<std::byte, HeaderLayout::kSize> bytes{};
  const auto head = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), file_size));
  PLATTER_CHECK(storage.ReadAt(0, head));
  return ParseHeader(head, file_size);
}

std::vector<std::byte> SerializeHeader(const Header& header) {
  std::vector<std::byte> bytes(HeaderLayout::kSize);
  std::ranges::copy(std::as_bytes(std::span(kMagicV2)), bytes.begin());
  const auto head = std::span(bytes);
  RecordEditor<HeaderLayout> record(head.first<HeaderLayout::kSize>());
  record.Set<HeaderLayout::kVersion>(kVersion);
  record.Set<HeaderLayout::kHeads>(header.heads);
  record.Set<HeaderLayout::kCylinders>(header.cylinders);
  record.Set<HeaderLayout::kTracks>(static_cast<std::uint32_t>(header.cluster_size / kSectorSize));
  record.Set<HeaderLayout::kEntries>(header.entries);
  record.Set<HeaderLayout::kSectors>(header.virtual_size / kSectorSize);
  record.Set<HeaderLayout::kInUse>(header.in_use);
  record.Set<HeaderLayout::kDataOffset>(static_cast<std::uint32_t>(header.data_offset / kSectorSize));
  record.Set<HeaderLayout::kFlags>(header.flags);
  record.Set<HeaderLayout::kExtensionOffset>(header.extension_offset / kSectorSize);
  return bytes;
}

Result<> CheckEntry(const Header& header, std::uint64_t cluster, std::uint32_t entry, std::uint64_t file_size) {
  const std::uint64_t host = header.HostOffset(entry);
  const auto wrong = [&](const char* what) {
    return Error(ErrorKind::kCorrupt, what)
        .At("block allocation table", fmt::format("entry {}", cluster), header.EntryOffset(cluster))
        .Found(entry);
  };
  if (host < header.data_offset || (host - header.data_offset) % header.cluster_size != 0) {
    return wrong("cluster is misplaced")
        .Allowed(fmt::format("{} or a whole number of clusters behind", header.EntryOf(header.data_offset)));
  }
  if (!FitsWithin(host, header.GuestBytes(cluster), file_size)) {
    return wrong("cluster lies outside the file").Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  return Done{};
}

std::uint32_t PlaceOf(const Header& header, std::uint32_t entry) noexcept {
  return static_cast<std::uint32_t>((header.HostOffset(entry) - header.data_offset) / header.cluster_size);
}

}  // namespace platter::ploop
