#include "formats/vhdx/region_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhdx/crc32c.h"

namespace platter::vhdx {
namespace {

bool IsValid(std::span<const std::byte> bytes) {
  const RecordView<RegionTableLayout> view(bytes.first<RegionTableLayout::kSize>());
  return view.Get<RegionTableLayout::kSignature>() == kRegionSignature &&
         view.Get<RegionTableLayout::kChecksum>() == ChecksumOf(bytes);
}

class TableParser {
 public:
  TableParser(std::span<const std::byte> bytes, std::size_t copy, std::uint64_t file_size, const Region& log)
      : bytes_(bytes), copy_(copy), file_size_(file_size), log_(log) {}

  Result<RegionTable> Parse() {
    const RecordView<RegionTableLayout> view(bytes_.first<RegionTableLayout::kSize>());
    const std::uint32_t count = view.Get<RegionTableLayout::kEntryCount>();
    if (count > kMaxTableEntries) {
      return At("too many regions", "entry_count", RegionTableLayout::kEntryCount.offset)
          .Found(count)
          .Allowed("up to 2047");
    }
    for (std::uint32_t index = 0; index < count; ++index) PLATTER_CHECK(ParseEntry(index));
    if (!bat_) return Missing("block allocation table", kBatRegion);
    if (!metadata_) return Missing("metadata", kMetadataRegion);
    table_.bat = *bat_;
    table_.metadata = *metadata_;
    std::ranges::sort(table_.others, {}, &Region::offset);
    return std::move(table_);
  }

 private:
  Error At(std::string what, std::string field, std::size_t offset) const {
    return Error(ErrorKind::kCorrupt, std::move(what))
        .At(fmt::format("region table {}", copy_ + 1), std::move(field), kRegionTableOffsets[copy_] + offset);
  }
  Error Missing(std::string_view name, const Guid& guid) const {
    return At(fmt::format("no region for the {}", name), "entries", RegionTableLayout::kEntries)
        .Allowed(fmt::format("an entry with GUID {}", guid.Text()));
  }

  Result<> ParseEntry(std::uint32_t index) {
    const std::size_t at = RegionTableLayout::kEntries + index * RegionEntry::kSize;
    const auto entry = bytes_.subspan(at).first<RegionEntry::kSize>();
    const RecordView<RegionEntry> view(entry);
    const Guid guid = Guid::Load(entry.data() + RegionEntry::kGuid);
    const Region region{view.Get<RegionEntry::kFileOffset>(), view.Get<RegionEntry::kLength>()};
    const bool known = guid == kBatRegion || guid == kMetadataRegion;
    if (!known && (view.Get<RegionEntry::kFlags>() & kRegionRequired) != 0) {
      return Error(ErrorKind::kUnsupported, "unknown region that is required")
          .At(fmt::format("region table {}", copy_ + 1), fmt::format("entry {} guid", index),
              kRegionTableOffsets[copy_] + at)
          .Found(guid.Text());
    }
    PLATTER_CHECK(CheckPlace(region, index, at));
    if (!known) {
      table_.others.push_back(region);
      return Done{};
    }
    std::optional<Region>& place = guid == kBatRegion ? bat_ : metadata_;
    if (place) return At("region stands there twice", fmt::format("entry {} guid", index), at).Found(guid.Text());
    place = region;
    return Done{};
  }

  Result<> CheckPlace(const Region& region, std::uint32_t index, std::size_t at) {
    if (!IsAligned(region.length, kMiB) || region.length == 0) {
      return At("region is not whole MiB", fmt::format("entry {} length", index), at + RegionEntry::kLength.offset)
          .Found(region.length)
          .Allowed("a multiple of 1048576, not 0");
    }
    const auto misplaced = [&](std::string what) {
      return At(std::move(what), fmt::format("entry {} file_offset", index), at + RegionEntry::kFileOffset.offset)
          .Found(fmt::format("{:#x} for {} bytes", region.offset, region.length));
    };
    if (!IsAligned(region.offset, kMiB) || region.offset < kHeaderSectionEnd ||
        !FitsWithin(region.offset, region.length, file_size_)) {
      return misplaced("region lies outside its bounds")
          .Allowed(fmt::format("a multiple of 1048576, from 1048576 on, inside the file's {} bytes", file_size_));
    }
    if (region.Overlaps(log_)) return misplaced("region overlaps the log");
    const auto overlaps = [&](const Region& other) { return region.Overlaps(other); };
    if (std::ranges::any_of(seen_, overlaps)) return misplaced("region overlaps another region");
    seen_.push_back(region);
    return Done{};
  }

  std::span<const std::byte> bytes_;
  std::size_t copy_;
  std::uint64_t file_size_;
  Region log_;
  RegionTable table_;
  std::optional<Region> bat_;
  std::optional<Region> metadata_;
  std::vector<Region> seen_;
};

void PutEntry(std::span<std::byte> bytes, std::size_t index, const Guid& guid, const Region& region) {
  const std::size_t at = RegionTableLayout::kEntries + index * RegionEntry::kSize;
  const auto entry = bytes.subspan(at).first<RegionEntry::kSize>();
  guid.Store(entry.data() + RegionEntry::kGuid);
  RecordEditor<RegionEntry> editor(entry);
  editor.Set<RegionEntry::kFileOffset>(region.offset);
  editor.Set<RegionEntry::kLength>(static_cast<std::uint32_t>(region.length));
  editor.Set<RegionEntry::kFlags>(kRegionRequired);
}

}  // namespace

Result<RegionTable> ReadRegionTable(Storage& storage, const Region& log) {
  std::array<std::vector<std::byte>, 2> copies;
  std::array<bool, 2> valid{};
  for (std::size_t copy = 0; copy < 2; ++copy) {
    copies[copy].resize(RegionTableLayout::kSize);
    PLATTER_CHECK(storage.ReadPadded(kRegionTableOffsets[copy], copies[copy]));
    valid[copy] = IsValid(copies[copy]);
  }
  if (!valid[0] && !valid[1]) {
    return Error(ErrorKind::kCorrupt, "neither region table is valid")
        .At("region table 1", "checksum", kRegionTableOffsets[0] + RegionTableLayout::kChecksum.offset)
        .Allowed("\"regi\" and the CRC-32C of the table's 65536 bytes, in one of the two");
  }
  const std::size_t current = valid[0] ? 0 : 1;
  RegionTable table = PLATTER_TRY(TableParser(copies[current], current, storage.size(), log).Parse());
  table.valid = valid;
  table.copies_agree = !valid[0] || !valid[1] || copies[0] == copies[1];
  return table;
}

std::vector<std::byte> SerializeRegionTable(const Region& bat, const Region& metadata) {
  std::vector<std::byte> bytes(RegionTableLayout::kSize);
  RecordEditor<RegionTableLayout> editor{std::span(bytes).first<RegionTableLayout::kSize>()};
  editor.Set<RegionTableLayout::kSignature>(kRegionSignature);
  editor.Set<RegionTableLayout::kEntryCount>(2);
  PutEntry(bytes, 0, kBatRegion, bat);
  PutEntry(bytes, 1, kMetadataRegion, metadata);
  editor.Set<RegionTableLayout::kChecksum>(ChecksumOf(bytes));
  return bytes;
}

}  // namespace platter::vhdx
