#include "formats/vhd/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhd/text.h"

namespace platter::vhd {
namespace {

Error Corrupt(std::string what, std::string structure, std::string field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At(std::move(structure), std::move(field), offset);
}

Error WrongChecksum(std::string what, std::string structure, std::uint64_t offset, std::uint32_t found,
                    std::uint32_t computed) {
  return Corrupt(std::move(what), std::move(structure), "checksum", offset)
      .Found(fmt::format("{:#010x}", found))
      .Allowed(fmt::format("{:#010x}, which its bytes give", computed));
}

UniqueId LoadId(const std::byte* from) {
  UniqueId id;
  std::copy_n(from, id.size(), id.begin());
  return id;
}

ParentLocator ParseLocator(std::span<const std::byte, LocatorLayout::kSize> bytes) {
  const RecordView<LocatorLayout> view(bytes);
  return {view.Get<LocatorLayout::kPlatformCode>(), view.Get<LocatorLayout::kDataSpace>(),
          view.Get<LocatorLayout::kDataLength>(), view.Get<LocatorLayout::kDataOffset>()};
}

Result<> CheckSparseHeader(const SparseHeader& header, std::uint64_t host_offset, Dialect dialect) {
  if (dialect == Dialect::kPlatter && (header.version & kVersionMajor) != (kVersion1 & kVersionMajor)) {
    return Error(ErrorKind::kUnsupported, "unknown version of the dynamic disk header")
        .At("dynamic disk header", "header version", host_offset + SparseLayout::kHeaderVersion.offset)
        .Found(fmt::format("{:#010x}", header.version))
        .Allowed("0x00010000");
  }
  if (!std::has_single_bit(header.block_size) || header.block_size < kMinBlockSize) {
    return Corrupt(fmt::format("Invalid block size {}", header.block_size), "dynamic disk header", "block size",
                   host_offset + SparseLayout::kBlockSize.offset)
        .Found(header.block_size)
        .Allowed("a power of two, at least 512");
  }
  if (header.table_entries <= kMaxTableEntries) return Done{};
  return Corrupt(fmt::format("Max Table Entries too large ({})", static_cast<std::int32_t>(header.table_entries)),
                 "dynamic disk header", "max table entries", host_offset + SparseLayout::kMaxTableEntries.offset)
      .Found(header.table_entries)
      .Allowed(fmt::format("at most {}", kMaxTableEntries));
}

}  // namespace

std::uint64_t SparseHeader::bitmap_bytes() const noexcept {
  return AlignUp(DivideRoundingUp<std::uint64_t>(block_size / kSectorSize, 8), kSectorSize);
}

std::uint32_t Checksum(std::span<const std::byte> structure, std::size_t checksum_offset) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < structure.size(); ++at) {
    if (at < checksum_offset || at >= checksum_offset + 4) sum += std::to_integer<std::uint32_t>(structure[at]);
  }
  return ~sum;
}

Result<Footer> ParseFooter(std::span<const std::byte, FooterLayout::kSize> bytes, std::uint64_t host_offset) {
  const RecordView<FooterLayout> view(bytes);
  if (view.Get<FooterLayout::kCookie>() != kFooterCookie) {
    return Error(ErrorKind::kNotThisFormat, "invalid VPC image");
  }
  const std::uint32_t stored = view.Get<FooterLayout::kChecksum>();
  const std::uint32_t computed = Checksum(bytes, FooterLayout::kChecksum.offset);
  if (stored != computed) {
    return WrongChecksum("Incorrect header checksum", "footer", host_offset + FooterLayout::kChecksum.offset, stored,
                         computed);
  }
  Footer footer;
  footer.features = view.Get<FooterLayout::kFeatures>();
  footer.version = view.Get<FooterLayout::kFileFormatVersion>();
  footer.data_offset = view.Get<FooterLayout::kDataOffset>();
  footer.time_stamp = view.Get<FooterLayout::kTimeStamp>();
  footer.creator = view.Get<FooterLayout::kCreatorApplication>();
  footer.creator_version = view.Get<FooterLayout::kCreatorVersion>();
  footer.creator_host = view.Get<FooterLayout::kCreatorHostOs>();
  footer.original_size = view.Get<FooterLayout::kOriginalSize>();
  footer.current_size = view.Get<FooterLayout::kCurrentSize>();
  footer.geometry = {view.Get<FooterLayout::kCylinders>(), view.Get<FooterLayout::kHeads>(),
                     view.Get<FooterLayout::kSectorsPerTrack>()};
  footer.disk_type = view.Get<FooterLayout::kDiskType>();
  footer.id = LoadId(bytes.data() + FooterLayout::kUniqueId);
  footer.saved_state = view.Get<FooterLayout::kSavedState>() != 0;
  return footer;
}

std::array<std::byte, FooterLayout::kSize> SerializeFooter(const Footer& footer) {
  std::array<std::byte, FooterLayout::kSize> bytes{};
  RecordEditor<FooterLayout> editor(bytes);
  editor.Set<FooterLayout::kCookie>(kFooterCookie);
  editor.Set<FooterLayout::kFeatures>(footer.features);
  editor.Set<FooterLayout::kFileFormatVersion>(footer.version);
  editor.Set<FooterLayout::kDataOffset>(footer.data_offset);
  editor.Set<FooterLayout::kTimeStamp>(footer.time_stamp);
  editor.Set<FooterLayout::kCreatorApplication>(footer.creator);
  editor.Set<FooterLayout::kCreatorVersion>(footer.creator_version);
  editor.Set<FooterLayout::kCreatorHostOs>(footer.creator_host);
  editor.Set<FooterLayout::kOriginalSize>(footer.original_size);
  editor.Set<FooterLayout::kCurrentSize>(footer.current_size);
  editor.Set<FooterLayout::kCylinders>(footer.geometry.cylinders);
  editor.Set<FooterLayout::kHeads>(footer.geometry.heads);
  editor.Set<FooterLayout::kSectorsPerTrack>(footer.geometry.sectors_per_track);
  editor.Set<FooterLayout::kDiskType>(footer.disk_type);
  std::ranges::copy(footer.id, bytes.begin() + FooterLayout::kUniqueId);
  editor.Set<FooterLayout::kSavedState>(footer.saved_state ? 1 : 0);
  editor.Set<FooterLayout::kChecksum>(Checksum(bytes, FooterLayout::kChecksum.offset));
  return bytes;
}

Result<SparseHeader> ParseSparseHeader(std::span<const std::byte, SparseLayout::kSize> bytes, std::uint64_t host_offset,
                                       Dialect dialect) {
  const RecordView<SparseLayout> view(bytes);
  if (view.Get<SparseLayout::kCookie>() != kSparseCookie) {
    return Corrupt("Invalid header magic", "dynamic disk header", "cookie", host_offset)
        .Found(fmt::format("{:#018x}", view.Get<SparseLayout::kCookie>()))
        .Allowed("'cxsparse'");
  }
  const std::uint32_t stored = view.Get<SparseLayout::kChecksum>();
  const std::uint32_t computed = Checksum(bytes, SparseLayout::kChecksum.offset);
  if (stored != computed && dialect == Dialect::kPlatter) {
    return WrongChecksum("wrong checksum of the dynamic disk header", "dynamic disk header",
                         host_offset + SparseLayout::kChecksum.offset, stored, computed);
  }
  SparseHeader header;
  header.table_offset = view.Get<SparseLayout::kTableOffset>();
  header.version = view.Get<SparseLayout::kHeaderVersion>();
  header.table_entries = view.Get<SparseLayout::kMaxTableEntries>();
  header.block_size = view.Get<SparseLayout::kBlockSize>();
  header.parent_id = LoadId(bytes.data() + SparseLayout::kParentUniqueId);
  header.parent_time_stamp = view.Get<SparseLayout::kParentTimeStamp>();
  header.parent_name = Utf8FromUtf16<std::endian::big>(
      bytes.subspan<SparseLayout::kParentUnicodeName, SparseLayout::kParentUnicodeNameSize>());
  for (std::size_t index = 0; index < header.locators.size(); ++index) {
    const auto entry = bytes.subspan(SparseLayout::kParentLocators + index * LocatorLayout::kSize);
    header.locators[index] = ParseLocator(entry.first<LocatorLayout::kSize>());
  }
  PLATTER_CHECK(CheckSparseHeader(header, host_offset, dialect));
  return header;
}

std::array<std::byte, SparseLayout::kSize> SerializeSparseHeader(const SparseHeader& header) {
  std::array<std::byte, SparseLayout::kSize> bytes{};
  RecordEditor<SparseLayout> editor(bytes);
  editor.Set<SparseLayout::kCookie>(kSparseCookie);
  editor.Set<SparseLayout::kDataOffset>(kNoOffset);
  editor.Set<SparseLayout::kTableOffset>(header.table_offset);
  editor.Set<SparseLayout::kHeaderVersion>(header.version);
  editor.Set<SparseLayout::kMaxTableEntries>(header.table_entries);
  editor.Set<SparseLayout::kBlockSize>(header.block_size);
  std::ranges::copy(header.parent_id, bytes.begin() + SparseLayout::kParentUniqueId);
  editor.Set<SparseLayout::kParentTimeStamp>(header.parent_time_stamp);
  auto name = Utf16FromUtf8<std::endian::big>(header.parent_name);
  name.resize(std::min(name.size(), SparseLayout::kParentUnicodeNameSize));
  std::ranges::copy(name, bytes.begin() + SparseLayout::kParentUnicodeName);
  for (std::size_t index = 0; index < header.locators.size(); ++index) {
    const auto entry = std::span(bytes).subspan(SparseLayout::kParentLocators + index * LocatorLayout::kSize);
    RecordEditor<LocatorLayout> locator(entry.first<LocatorLayout::kSize>());
    locator.Set<LocatorLayout::kPlatformCode>(header.locators[index].platform);
    locator.Set<LocatorLayout::kDataSpace>(header.locators[index].data_space);
    locator.Set<LocatorLayout::kDataLength>(header.locators[index].data_length);
    locator.Set<LocatorLayout::kDataOffset>(header.locators[index].data_offset);
  }
  editor.Set<SparseLayout::kChecksum>(Checksum(bytes, SparseLayout::kChecksum.offset));
  return bytes;
}

std::string FormatCode(std::uint32_t code) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char letter = static_cast<char>(code >> shift & 0xFF);
    if (letter >= ' ' && letter <= '~') text += letter;
  }
  return text;
}

}  // namespace platter::vhd
