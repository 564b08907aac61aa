#include "formats/vhd/locate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vhd {
namespace {

Result<FooterCopy> ReadFooter(Storage& storage, std::uint64_t offset) {
  FooterCopy copy;
  copy.offset = offset;
  std::array<std::byte, FooterLayout::kSize> bytes{};
  PLATTER_CHECK(storage.ReadPadded(offset, bytes));
  auto footer = ParseFooter(bytes, offset);
  if (footer.ok()) {
    copy.state = FooterCopy::State::kSound;
    copy.footer = std::move(footer).value();
  } else if (footer.error().kind() == ErrorKind::kCorrupt) {
    copy.state = FooterCopy::State::kDamaged;
    copy.fault = footer.error().Describe();
  }
  return copy;
}

bool IsSound(const FooterCopy& copy) noexcept { return copy.state == FooterCopy::State::kSound; }

Error NoSoundFooter(const FooterCopy& copy) {
  if (copy.state == FooterCopy::State::kAbsent) return Error(ErrorKind::kNotThisFormat, "invalid VPC image");
  return Error(ErrorKind::kCorrupt, "Incorrect header checksum")
      .At("footer", "checksum", copy.offset + FooterLayout::kChecksum.offset);
}

Result<Footer> FooterAsQemu(const FooterCopies& copies) {
  const FooterCopy& copy = copies.front.state != FooterCopy::State::kAbsent ? copies.front : copies.back;
  if (!IsSound(copy)) return NoSoundFooter(copy);
  return copy.footer;
}

// The last sector is the footer; the first one only stands in for it, because in a fixed image it is the guest's.
Result<Footer> ChooseFooter(const FooterCopies& copies) {
  if (IsSound(copies.back)) return copies.back.footer;
  if (!IsSound(copies.front)) {
    return NoSoundFooter(copies.back.state != FooterCopy::State::kAbsent ? copies.back : copies.front);
  }
  if (copies.front.footer.disk_type != kTypeFixed) return copies.front.footer;
  return Error(ErrorKind::kCorrupt, "a fixed image without a footer at its end: it was cut short")
      .At("footer", "cookie", copies.back.offset);
}

Result<> CheckFooter(const Footer& footer, std::uint64_t offset) {
  if ((footer.version & kVersionMajor) != (kVersion1 & kVersionMajor)) {
    return Error(ErrorKind::kUnsupported, "unknown version of the format")
        .At("footer", "file format version", offset + FooterLayout::kFileFormatVersion.offset)
        .Found(fmt::format("{:#010x}", footer.version))
        .Allowed("0x00010000");
  }
  if (footer.disk_type >= kTypeFixed && footer.disk_type <= kTypeDifferencing) return Done{};
  return Error(ErrorKind::kCorrupt, "unknown type of disk")
      .At("footer", "disk type", offset + FooterLayout::kDiskType.offset)
      .Found(footer.disk_type)
      .Allowed("2 (fixed), 3 (dynamic), 4 (differencing)");
}

Result<> CheckSize(const Headers& headers, const std::string& file, Dialect dialect) {
  if (headers.virtual_size <= kMaxVirtualSize) return Done{};
  if (dialect == Dialect::kQemu) return Error::FromErrno(EFBIG, "the disk is too large").In(file);
  return Error(ErrorKind::kCorrupt, "the disk is too large")
      .At("footer", "current size")
      .Found(headers.virtual_size)
      .Allowed(fmt::format("at most {} (2040 GiB)", kMaxVirtualSize));
}

Result<SparseHeader> LoadSparseHeader(Storage& storage, std::uint64_t offset, Dialect dialect) {
  std::array<std::byte, SparseLayout::kSize> bytes{};
  const bool inside = FitsWithin(offset, bytes.size(), storage.size());
  if (dialect == Dialect::kPlatter && !inside) {
    return Error(ErrorKind::kCorrupt, "the dynamic disk header lies outside the file")
        .At("footer", "data offset", FooterLayout::kDataOffset.offset)
        .Found(fmt::format("{:#x}", offset))
        .Allowed(fmt::format("1024 bytes inside the file's {}", storage.size()));
  }
  if (offset > static_cast<std::uint64_t>(INT64_MAX) - bytes.size()) {
    return Error(ErrorKind::kCorrupt, "Error reading dynamic VHD header");
  }
  PLATTER_CHECK(storage.ReadPadded(offset, bytes));
  return ParseSparseHeader(bytes, offset, dialect);
}

Result<> CheckTable(const SparseHeader& header, const Headers& headers, std::uint64_t file_size) {
  const std::uint64_t needed = DivideRoundingUp<std::uint64_t>(headers.virtual_size, header.block_size);
  if (header.table_entries < needed) {
    return Error(ErrorKind::kCorrupt, "Page table too small")
        .At("dynamic disk header", "max table entries", SparseLayout::kMaxTableEntries.offset)
        .Found(header.table_entries)
        .Allowed(fmt::format("at least {} for a disk of {} bytes", needed, headers.virtual_size));
  }
  const bool aligned = IsAligned(header.table_offset, kTableEntrySize);
  if (aligned && FitsWithin(header.table_offset, needed * kTableEntrySize, file_size)) return Done{};
  return Error(ErrorKind::kCorrupt, "Error reading pagetable")
      .At("dynamic disk header", "table offset", SparseLayout::kTableOffset.offset)
      .Found(fmt::format("{:#x}", header.table_offset))
      .Allowed(fmt::format("a multiple of 512, with {} entries inside the file's {} bytes", needed, file_size));
}

// Creators whose size field counts to qemu, too.
bool MeansItsSize(std::uint32_t creator) noexcept {
  constexpr std::array kBySize = {kCreatorHyperV, kCreatorQemuForced, kCreatorDisk2Vhd, kCreatorXenTap,
                                  kCreatorXenConverter};
  return std::ranges::find(kBySize, creator) != kBySize.end();
}

bool MeansItsGeometry(std::uint32_t creator) noexcept {
  return creator == kCreatorVirtualPc || creator == kCreatorVirtualServer || creator == kCreatorQemu;
}

Result<> CheckFixed(const Headers& headers, std::uint64_t room) {
  if (headers.virtual_size <= room) return Done{};
  return Error(ErrorKind::kCorrupt, "the file is too short for the disk")
      .At("footer", "current size", headers.copies.back.offset + FooterLayout::kCurrentSize.offset)
      .Found(headers.virtual_size)
      .Allowed(fmt::format("at most {}, which the file has in front of the footer", room));
}

}  // namespace

Result<FooterCopies> ReadFooters(Storage& storage) {
  // One after the other: a return out of the middle of an initializer leaves what is made so far behind.
  auto front = PLATTER_TRY(ReadFooter(storage, 0));
  if (storage.size() < kShortFooterSize && front.state == FooterCopy::State::kAbsent) {
    return Error(ErrorKind::kNotThisFormat, "File too small for a VHD header");
  }
  const std::uint64_t end = AlignUp(storage.size(), kSectorSize);
  auto back = PLATTER_TRY(ReadFooter(storage, end - kSectorSize));
  return FooterCopies{std::move(front), std::move(back)};
}

Result<SizeRule> ParseSizeRule(const OptionValues& options) {
  const auto text = options.Text(kSizeRuleOption);
  if (!text) return SizeRule::kByCreator;
  if (*text == "chs") return SizeRule::kGeometry;
  if (*text == "current_size") return SizeRule::kCurrentSize;
  return Error(ErrorKind::kInvalid, fmt::format("Invalid size calculation mode: '{}'", *text))
      .Allowed("chs, current_size");
}

std::uint64_t VirtualSize(const Footer& footer, SizeRule rule, Dialect dialect,
                          std::optional<std::uint64_t> room) noexcept {
  const std::uint64_t current = AlignDown(footer.current_size, kSectorSize);
  const std::uint64_t geometry = footer.geometry.sectors() * kSectorSize;
  if (rule == SizeRule::kCurrentSize || footer.geometry == kLargestGeometry) return current;
  if (rule == SizeRule::kGeometry) return geometry;
  if (MeansItsSize(footer.creator)) return current;
  if (dialect == Dialect::kQemu) return geometry;
  if (!MeansItsGeometry(footer.creator) || geometry == 0) return current;
  return room && geometry > *room && current <= *room ? current : geometry;
}

std::optional<std::uint64_t> DisputedSize(const Footer& footer) noexcept {
  constexpr std::uint64_t kLargestCylinder =
      std::uint64_t{kLargestGeometry.heads} * kLargestGeometry.sectors_per_track * kSectorSize;
  const std::uint64_t current = AlignDown(footer.current_size, kSectorSize);
  const std::uint64_t geometry = footer.geometry.sectors() * kSectorSize;
  if (geometry == 0 || footer.geometry == kLargestGeometry || MeansItsSize(footer.creator)) return std::nullopt;
  const auto [smaller, larger] = std::minmax({current, geometry});
  return larger - smaller > kLargestCylinder ? std::optional(larger) : std::nullopt;
}

std::vector<std::string> FaultsOf(const Headers& headers) {
  std::vector<std::string> faults;
  const Footer& footer = headers.footer;
  if (footer.current_size % kSectorSize != 0) {
    faults.push_back(fmt::format("footer: current size {} is no multiple of 512", footer.current_size));
  }
  if (headers.sparse) {
    if (!IsAligned(footer.data_offset, kSectorSize) || !IsAligned(headers.sparse->table_offset, kSectorSize)) {
      faults.emplace_back("the dynamic disk header or the block allocation table does not start at a sector");
    }
    return faults;
  }
  // The specification's text has half the digits.
  constexpr std::uint64_t kNoOffsetInText = 0xFFFFFFFF;
  if (footer.data_offset != kNoOffset && footer.data_offset != kNoOffsetInText) {
    faults.push_back(fmt::format("footer: a fixed disk with data offset {:#x}", footer.data_offset));
  }
  if (footer.current_size != headers.copies.back.offset) {
    faults.push_back(fmt::format("footer: current size {}, but {} bytes in front of the footer", footer.current_size,
                                 headers.copies.back.offset));
  }
  return faults;
}

Result<Headers> LoadHeaders(Storage& storage, const OptionValues& options, Dialect dialect) {
  const SizeRule rule = PLATTER_TRY(ParseSizeRule(options));
  Headers headers;
  headers.copies = PLATTER_TRY(ReadFooters(storage));
  const bool as_qemu = dialect == Dialect::kQemu;
  headers.footer = PLATTER_TRY(as_qemu ? FooterAsQemu(headers.copies) : ChooseFooter(headers.copies));
  if (!as_qemu) PLATTER_CHECK(CheckFooter(headers.footer, headers.copies.back.offset));
  const bool fixed = headers.footer.disk_type == kTypeFixed;
  const std::uint64_t room = headers.copies.back.offset;
  if (!fixed) headers.sparse = PLATTER_TRY(LoadSparseHeader(storage, headers.footer.data_offset, dialect));
  const std::uint64_t reach = fixed ? room : headers.sparse->table_entries * std::uint64_t{headers.sparse->block_size};
  headers.virtual_size = VirtualSize(headers.footer, rule, dialect, reach);
  PLATTER_CHECK(CheckSize(headers, storage.name(), dialect));
  if (headers.sparse) PLATTER_CHECK(CheckTable(*headers.sparse, headers, storage.size()));
  if (fixed && !as_qemu) PLATTER_CHECK(CheckFixed(headers, room));
  return headers;
}

}  // namespace platter::vhd
