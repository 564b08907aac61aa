#include "formats/iso/boot_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/core/checked.h"
#include "formats/iso/layout.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

constexpr std::size_t kMostEntries = 128;  // two sectors of catalog
constexpr std::uint64_t kBootSector = 512;
constexpr std::uint8_t kMediaMask = 0x0F;
constexpr std::uint8_t kLargestMedia = 4;

// The size of the FAT file system that starts there, from its BIOS parameter block; 0 where there is none.
std::uint64_t FatSize(std::span<const std::byte, kBootSector> sector) {
  const std::byte* bytes = sector.data();
  const bool signature = LoadLe<std::uint16_t>(bytes + 510) == 0xAA55;
  const bool jump = bytes[0] == std::byte{0xEB} || bytes[0] == std::byte{0xE9};
  const std::uint64_t bytes_per_sector = LoadLe<std::uint16_t>(bytes + 11);
  if (!signature || !jump || bytes_per_sector < 512 || bytes_per_sector > 4096) return 0;
  const std::uint64_t small = LoadLe<std::uint16_t>(bytes + 19);
  return bytes_per_sector * (small != 0 ? small : LoadLe<std::uint32_t>(bytes + 32));
}

class CatalogReader {
 public:
  CatalogReader(Storage& storage, BootCatalog& catalog, Findings& findings)
      : storage_(storage), catalog_(catalog), findings_(findings), at_(catalog.block * kSectorSize) {}

  Result<> Read() {
    PLATTER_CHECK(Load());
    Validate();
    PLATTER_CHECK(Load());
    PLATTER_CHECK(AddEntry());  // the default entry
    for (bool last = false; !last && entries_read_ < kMostEntries;) {
      PLATTER_CHECK(Load());
      const RecordView<SectionHeaderLayout> header(entry_);
      const auto indicator = header.Get<SectionHeaderLayout::kIndicator>();
      if (indicator != kSectionHeader && indicator != kLastSectionHeader) break;
      last = indicator == kLastSectionHeader;
      platform_ = header.Get<SectionHeaderLayout::kPlatform>();
      PLATTER_CHECK(ReadSection(header.Get<SectionHeaderLayout::kEntryCount>()));
    }
    return Done{};
  }

 private:
  Result<> Load() {
    if (!FitsWithin(at_, kBootEntrySize, storage_.size())) {
      return Error(ErrorKind::kCorrupt, "the boot catalog lies outside the file")
          .In(storage_.name())
          .At("boot catalog", "entry", at_)
          .Found(at_)
          .Allowed(fmt::format("below {}", storage_.size()));
    }
    PLATTER_CHECK(storage_.ReadAt(at_, entry_));
    at_ += kBootEntrySize;
    ++entries_read_;
    return Done{};
  }

  void Validate() {
    const RecordView<ValidationEntryLayout> entry(entry_);
    const auto report = [this](const char* field, std::size_t offset, unsigned found, const char* allowed) {
      findings_.Add(fmt::format("boot catalog, validation entry, field {} at offset {:#x}: found {:#x}, allowed: {}",
                                field, at_ - kBootEntrySize + offset, found, allowed));
    };
    std::uint16_t sum = 0;
    for (std::size_t at = 0; at < kBootEntrySize; at += 2) {
      sum = static_cast<std::uint16_t>(sum + LoadLe<std::uint16_t>(entry_.data() + at));
    }
    if (entry.Get<ValidationEntryLayout::kHeaderId>() != 1) {
      report("header_id", 0, entry.Get<ValidationEntryLayout::kHeaderId>(), "1");
    }
    if (entry.Get<ValidationEntryLayout::kKey>() != 0xAA55) {
      report("key", 30, entry.Get<ValidationEntryLayout::kKey>(), "0xaa55");
    }
    if (sum != 0) report("checksum", 28, sum, "the entry's words add up to 0");
    platform_ = entry.Get<ValidationEntryLayout::kPlatform>();
    catalog_.id = Trimmed(std::span(entry_).subspan(ValidationEntryLayout::kId.offset, 24));
  }

  Result<> ReadSection(std::uint16_t count) {
    for (std::uint16_t at = 0; at < count && entries_read_ < kMostEntries; ++at) {
      PLATTER_CHECK(Load());
      PLATTER_CHECK(AddEntry());
      // Extensions belong to the entry before them; bit 5 says that another one follows.
      bool more = (std::to_integer<unsigned>(entry_[1]) & 0x20U) != 0;
      while (more && entries_read_ < kMostEntries) {
        PLATTER_CHECK(Load());
        more = entry_[0] == std::byte{kEntryExtension} && (std::to_integer<unsigned>(entry_[1]) & 0x20U) != 0;
      }
    }
    return Done{};
  }

  Result<> AddEntry() {
    const RecordView<BootEntryLayout> view(entry_);
    const std::uint64_t offset = at_ - kBootEntrySize;
    BootEntry entry;
    const auto indicator = view.Get<BootEntryLayout::kIndicator>();
    if (indicator != kBootable && indicator != kNotBootable) {
      findings_.Add(
          fmt::format("boot catalog, entry at offset {:#x}, field boot_indicator: found {:#x}, allowed: 0, "
                      "0x88",
                      offset, indicator));
    }
    entry.platform = platform_;
    entry.bootable = indicator == kBootable;
    entry.media = view.Get<BootEntryLayout::kMedia>() & kMediaMask;
    if (entry.media > kLargestMedia) {
      findings_.Add(fmt::format("boot catalog, entry at offset {:#x}, field boot_media: found {}, allowed: 0 to 4",
                                offset, entry.media));
    }
    entry.system_type = view.Get<BootEntryLayout::kSystemType>();
    entry.load_segment = view.Get<BootEntryLayout::kLoadSegment>();
    entry.sector_count = view.Get<BootEntryLayout::kSectorCount>();
    entry.block = view.Get<BootEntryLayout::kBlock>();
    PLATTER_CHECK(MeasureImage(entry, offset));
    catalog_.entries.push_back(entry);
    return Done{};
  }

  Result<> MeasureImage(BootEntry& entry, std::uint64_t offset) {
    const std::uint64_t start = entry.block * kSectorSize;
    entry.image_size = entry.sector_count * kBootSector;
    if (!FitsWithin(start, std::max(entry.image_size, kBootSector), storage_.size())) {
      findings_.Add(
          fmt::format("boot catalog, entry at offset {:#x}, field load_rba: the boot image at {} lies outside "
                      "the file of {} bytes",
                      offset, start, storage_.size()));
      return Done{};
    }
    std::array<std::byte, kBootSector> sector{};
    PLATTER_CHECK(storage_.ReadAt(start, sector));
    const std::uint64_t fat = FatSize(sector);
    if (fat > entry.image_size && FitsWithin(start, fat, storage_.size())) entry.image_size = fat;
    return Done{};
  }

  Storage& storage_;
  BootCatalog& catalog_;
  Findings& findings_;
  std::uint64_t at_;  // host offset of the next entry
  std::size_t entries_read_ = 0;
  std::uint8_t platform_ = 0;
  std::array<std::byte, kBootEntrySize> entry_{};
};

}  // namespace

std::string PlatformName(std::uint8_t platform) {
  switch (platform) {
    case kPlatformX86:
      return "x86";
    case kPlatformPowerPc:
      return "powerpc";
    case kPlatformMac:
      return "mac";
    case kPlatformEfi:
      return "efi";
    default:
      return fmt::format("{:#x}", platform);
  }
}

std::string EmulationName(std::uint8_t media) {
  static constexpr std::array<const char*, 5> kNames = {"none", "floppy-1.2", "floppy-1.44", "floppy-2.88",
                                                        "hard-disk"};
  return media < kNames.size() ? kNames[media] : fmt::format("{}", media);
}

Result<BootCatalog> ReadBootCatalog(Storage& storage, std::uint32_t block, Findings& findings) {
  BootCatalog catalog;
  catalog.block = block;
  PLATTER_CHECK(CatalogReader(storage, catalog, findings).Read());
  return catalog;
}

}  // namespace platter::iso
