#include "formats/vhdx/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhdx/layout.h"

namespace platter::vhdx {
namespace {

struct KnownItem {
  Guid guid;
  const char* name;
  std::uint32_t length;  // 0: any
  std::uint32_t flags;
};
enum ItemIndex : std::uint8_t {
  kParameters,
  kDiskSize,
  kDiskId,
  kLogicalSector,
  kPhysicalSector,
  kLocator,
  kItemCount
};
constexpr std::array<KnownItem, kItemCount> kKnownItems = {{
    {kFileParametersItem, "file parameters", 8, kItemIsRequired},
    {kVirtualDiskSizeItem, "virtual disk size", 8, kItemIsRequired | kItemIsVirtualDisk},
    {kVirtualDiskIdItem, "virtual disk id", 16, kItemIsRequired | kItemIsVirtualDisk},
    {kLogicalSectorItem, "logical sector size", 4, kItemIsRequired | kItemIsVirtualDisk},
    {kPhysicalSectorItem, "physical sector size", 4, kItemIsRequired | kItemIsVirtualDisk},
    {kParentLocatorItem, "parent locator", 0, kItemIsRequired},
}};

class Parser {
 public:
  Parser(Storage& storage, const Region& region) : storage_(storage), region_(region) {}

  Result<Metadata> Parse() {
    PLATTER_CHECK(FindItems());
    PLATTER_CHECK(ReadParameters());
    PLATTER_CHECK(ReadSectorSizes());
    PLATTER_CHECK(ReadDiskSize());
    const auto id = PLATTER_TRY(ReadItem(kDiskId));
    metadata_.disk_id = Guid::Load(id.data());
    if (metadata_.geometry.has_parent) {
      const auto locator = PLATTER_TRY(ReadItem(kLocator));
      metadata_.parent = PLATTER_TRY(ParseParentLocator(locator, items_[kLocator]->offset));
    }
    return std::move(metadata_);
  }

 private:
  static Error Refuse(ErrorKind kind, std::string what, std::string field, std::uint64_t offset) {
    return Error(kind, std::move(what)).At("metadata", std::move(field), offset);
  }
  Error Impossible(ItemIndex item, std::string what, std::size_t offset = 0) const {
    return Refuse(ErrorKind::kCorrupt, std::move(what), kKnownItems[item].name, items_[item]->offset + offset);
  }

  Result<> FindItems() {
    std::vector<std::byte> table(MetadataTableLayout::kSize);
    PLATTER_CHECK(storage_.ReadPadded(region_.offset, table));
    const RecordView<MetadataTableLayout> view{std::span(table).first<MetadataTableLayout::kSize>()};
    if (view.Get<MetadataTableLayout::kSignature>() != kMetadataSignature) {
      return Refuse(ErrorKind::kCorrupt, "no metadata table", "signature", region_.offset).Allowed("\"metadata\"");
    }
    const std::uint32_t count = view.Get<MetadataTableLayout::kEntryCount>();
    if (count > kMaxTableEntries) {
      return Refuse(ErrorKind::kCorrupt, "too many metadata items", "entry_count",
                    region_.offset + MetadataTableLayout::kEntryCount.offset)
          .Found(count)
          .Allowed("up to 2047");
    }
    for (std::uint32_t index = 0; index < count; ++index) {
      const std::size_t at = MetadataTableLayout::kEntries + index * MetadataEntry::kSize;
      PLATTER_CHECK(TakeEntry(std::span(table).subspan(at).first<MetadataEntry::kSize>(), index, region_.offset + at));
    }
    return Done{};
  }

  Result<> TakeEntry(std::span<const std::byte, MetadataEntry::kSize> bytes, std::uint32_t index, std::uint64_t at) {
    const RecordView<MetadataEntry> entry(bytes);
    const Guid guid = Guid::Load(bytes.data() + MetadataEntry::kGuid);
    const std::uint32_t flags = entry.Get<MetadataEntry::kFlags>();
    const auto known = std::ranges::find(kKnownItems, guid, &KnownItem::guid);
    if (known == kKnownItems.end() || (flags & kItemIsUser) != 0) {
      if ((flags & kItemIsRequired) == 0) return Done{};
      return Refuse(ErrorKind::kUnsupported, "unknown metadata item that is required",
                    fmt::format("entry {} item_id", index), at)
          .Found(guid.Text());
    }
    const std::uint64_t offset = entry.Get<MetadataEntry::kOffset>();
    const std::uint64_t length = entry.Get<MetadataEntry::kLength>();
    if (known->length != 0 && length != known->length) {
      return Refuse(ErrorKind::kCorrupt, fmt::format("{} has another length", known->name),
                    fmt::format("entry {} length", index), at + MetadataEntry::kLength.offset)
          .Found(length)
          .Allowed(std::to_string(known->length));
    }
    if (length > kMaxItemLength || offset < MetadataTableLayout::kSize || !FitsWithin(offset, length, region_.length)) {
      return Refuse(ErrorKind::kCorrupt, fmt::format("{} lies outside its bounds", known->name),
                    fmt::format("entry {} offset", index), at + MetadataEntry::kOffset.offset)
          .Found(fmt::format("{} for {} bytes", offset, length))
          .Allowed(fmt::format("from 65536 on, inside the region's {} bytes", region_.length));
    }
    auto& item = items_[static_cast<std::size_t>(known - kKnownItems.begin())];
    if (item) {
      return Refuse(ErrorKind::kCorrupt, fmt::format("{} stands there twice", known->name),
                    fmt::format("entry {} item_id", index), at);
    }
    item = Region{region_.offset + offset, length};
    return Done{};
  }

  Result<std::vector<std::byte>> ReadItem(ItemIndex item) {
    if (!items_[item]) {
      return Refuse(ErrorKind::kCorrupt, fmt::format("{} is missing", kKnownItems[item].name), "entries",
                    region_.offset + MetadataTableLayout::kEntries)
          .Allowed(fmt::format("an entry with GUID {}", kKnownItems[item].guid.Text()));
    }
    std::vector<std::byte> bytes(items_[item]->length);
    PLATTER_CHECK(storage_.ReadAt(items_[item]->offset, bytes));
    return bytes;
  }

  Result<> ReadParameters() {
    const auto bytes = PLATTER_TRY(ReadItem(kParameters));
    Geometry& geometry = metadata_.geometry;
    geometry.block_size = FileParameters::kBlockSize.Decode(bytes.data());
    const std::uint32_t flags = FileParameters::kFlags.Decode(bytes.data());
    geometry.fixed = (flags & kLeaveBlocksAllocated) != 0;
    geometry.has_parent = (flags & kHasParent) != 0;
    if (std::has_single_bit(geometry.block_size) && geometry.block_size >= kMinBlockSize &&
        geometry.block_size <= kMaxBlockSize) {
      return Done{};
    }
    return Impossible(kParameters, "block size is impossible")
        .Found(geometry.block_size)
        .Allowed("a power of two from 1 to 256 MiB");
  }

  Result<> ReadSectorSizes() {
    for (const ItemIndex item : {kLogicalSector, kPhysicalSector}) {
      const auto bytes = PLATTER_TRY(ReadItem(item));
      const std::uint64_t size = LoadLe<std::uint32_t>(bytes.data());
      if (size != 512 && size != 4096) {
        return Impossible(item, "sector size is impossible").Found(size).Allowed("512, 4096");
      }
      (item == kLogicalSector ? metadata_.geometry.logical_sector : metadata_.geometry.physical_sector) = size;
    }
    return Done{};
  }

  Result<> ReadDiskSize() {
    const auto bytes = PLATTER_TRY(ReadItem(kDiskSize));
    Geometry& geometry = metadata_.geometry;
    geometry.virtual_size = LoadLe<std::uint64_t>(bytes.data());
    if (geometry.virtual_size <= kMaxVirtualSize && IsAligned(geometry.virtual_size, geometry.logical_sector)) {
      return Done{};
    }
    return Impossible(kDiskSize, "disk size is impossible")
        .Found(geometry.virtual_size)
        .Allowed(fmt::format("a multiple of {} up to 64 TiB", geometry.logical_sector));
  }

  Storage& storage_;
  Region region_;
  std::array<std::optional<Region>, kItemCount> items_;  // in the file
  Metadata metadata_;
};

// Builds the table and, behind it, the items.
class Builder {
 public:
  Builder() : bytes_(MetadataTableLayout::kSize) {
    MetadataTableLayout::kSignature.Encode(bytes_.data(), kMetadataSignature);
  }

  void Add(ItemIndex item, std::span<const std::byte> content) {
    std::byte* entry = bytes_.data() + MetadataTableLayout::kEntries + count_ * MetadataEntry::kSize;
    kKnownItems[item].guid.Store(entry + MetadataEntry::kGuid);
    MetadataEntry::kOffset.Encode(entry, static_cast<std::uint32_t>(bytes_.size()));
    MetadataEntry::kLength.Encode(entry, static_cast<std::uint32_t>(content.size()));
    MetadataEntry::kFlags.Encode(entry, kKnownItems[item].flags);
    MetadataTableLayout::kEntryCount.Encode(bytes_.data(), ++count_);
    bytes_.insert(bytes_.end(), content.begin(), content.end());
  }
  template <class T>
  void AddNumber(ItemIndex item, T value) {
    std::array<std::byte, sizeof(T)> content{};
    StoreLe(content.data(), value);
    Add(item, content);
  }

  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
  std::uint16_t count_ = 0;
};

}  // namespace

Result<Metadata> ReadMetadata(Storage& storage, const Region& region) { return Parser(storage, region).Parse(); }

std::vector<std::byte> SerializeMetadata(const Metadata& metadata) {
  const Geometry& geometry = metadata.geometry;
  Builder builder;
  std::array<std::byte, FileParameters::kSize> parameters{};
  FileParameters::kBlockSize.Encode(parameters.data(), static_cast<std::uint32_t>(geometry.block_size));
  FileParameters::kFlags.Encode(parameters.data(),
                                (geometry.fixed ? kLeaveBlocksAllocated : 0) | (geometry.has_parent ? kHasParent : 0));
  builder.Add(kParameters, parameters);
  builder.AddNumber(kDiskSize, geometry.virtual_size);
  builder.Add(kDiskId, std::as_bytes(std::span(metadata.disk_id.bytes)));
  builder.AddNumber(kLogicalSector, static_cast<std::uint32_t>(geometry.logical_sector));
  builder.AddNumber(kPhysicalSector, static_cast<std::uint32_t>(geometry.physical_sector));
  if (metadata.parent) builder.Add(kLocator, SerializeParentLocator(*metadata.parent));
  return builder.Take();
}

}  // namespace platter::vhdx
