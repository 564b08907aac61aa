#include "formats/iso/udf_volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "formats/core/checked.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

using udf::TagId;
using udf::TagLayout;

constexpr std::array<std::uint32_t, 4> kSectorSizes = {2048, 512, 4096, 1024};
constexpr std::size_t kMostDescriptorsRead = 256;  // of a volume descriptor sequence, over all its pointers
constexpr std::uint32_t kMostMaps = 16;
constexpr std::uint64_t kMostSectors = std::uint64_t{1} << 32;  // those that a 32-bit location can name

// CRC-CCITT with polynomial 0x1021 and initial value 0, as ECMA-167 3/7.2.6 wants.
std::uint16_t Crc(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U);
    crc &= 0xFFFFU;
  }
  return static_cast<std::uint16_t>(crc);
}

Error TagError(const char* what, const char* field, std::uint64_t host_offset) {
  return Error(ErrorKind::kCorrupt, what).At("UDF descriptor tag", field, host_offset);
}

class VolumeReader {
 public:
  VolumeReader(Storage& storage, UdfVolume& volume, Findings& findings)
      : storage_(storage), volume_(volume), findings_(findings) {}

  Result<> Read() {
    const Anchor anchor = PLATTER_TRY(FindAnchor());
    auto main = ReadSequence(anchor.main_location, anchor.main_length);
    if (!main.ok()) {
      findings_.Add("UDF, main volume descriptor sequence: " + main.error().Describe());
      PLATTER_CHECK(ReadSequence(anchor.reserve_location, anchor.reserve_length));
    }
    PLATTER_CHECK(ClaimLastAnchor());
    return ReadFileSet();
  }

 private:
  struct Anchor {
    std::uint32_t main_location = 0;  // sectors
    std::uint32_t main_length = 0;    // bytes
    std::uint32_t reserve_location = 0;
    std::uint32_t reserve_length = 0;
  };

  Result<Anchor> FindAnchor() {
    for (const std::uint32_t sector_size : kSectorSizes) {
      const std::uint64_t sectors = std::min(storage_.size() / sector_size, kMostSectors);
      for (const std::uint64_t sector : {udf::kAnchorSector, sectors - 1, sectors - 1 - udf::kAnchorSector}) {
        if (sector >= sectors) continue;
        volume_.sector_size = sector_size;
        const auto bytes = ReadSector(static_cast<std::uint32_t>(sector), TagId::kAnchor);
        if (!bytes.ok() && bytes.error().kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, bytes.error().what());
        if (!bytes.ok()) continue;
        using Layout = udf::AnchorLayout;
        const RecordView<Layout> view(std::span(bytes.value()).first<Layout::kSize>());
        return Anchor{view.Get<Layout::kMainLocation>(), view.Get<Layout::kMainLength>(),
                      view.Get<Layout::kReserveLocation>(), view.Get<Layout::kReserveLength>()};
      }
    }
    return Error(ErrorKind::kCorrupt, "no UDF anchor")
        .In(storage_.name())
        .At("UDF anchor volume descriptor pointer", "tag", udf::kAnchorSector * kSectorSize)
        .Allowed("one in sector 256, in the last one, or 256 before it");
  }

  // An anchor in the file's last sector belongs to the volume, though no partition reaches it.
  Result<> ClaimLastAnchor() {
    const std::uint64_t sectors = storage_.size() / volume_.sector_size;
    if (sectors == 0 || sectors > kMostSectors) return Done{};
    const auto anchor = ReadSector(static_cast<std::uint32_t>(sectors - 1), TagId::kAnchor);
    if (!anchor.ok() && anchor.error().kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, anchor.error().what());
    if (anchor.ok()) volume_.claimed_size = std::max(volume_.claimed_size, sectors * volume_.sector_size);
    return Done{};
  }

  Result<std::vector<std::byte>> ReadSector(std::uint32_t sector, std::optional<TagId> id) {
    std::vector<std::byte> bytes(volume_.sector_size);
    const std::uint64_t offset = std::uint64_t{sector} * volume_.sector_size;
    if (!FitsWithin(offset, bytes.size(), storage_.size())) {
      return Error(ErrorKind::kCorrupt, "a UDF descriptor lies outside the file")
          .In(storage_.name())
          .At("UDF descriptor", "location", offset)
          .Found(offset)
          .Allowed(fmt::format("below {}", storage_.size()));
    }
    PLATTER_CHECK(storage_.ReadAt(offset, bytes));
    const auto expected = id.value_or(static_cast<TagId>(TagLayout::kId.Decode(bytes.data())));
    auto tag = CheckUdfTag(bytes, expected, sector, offset);
    if (!tag.ok()) return std::move(tag).error().In(storage_.name());
    return bytes;
  }

  Result<> ReadSequence(std::uint32_t location, std::uint32_t length) {
    logical_volume_.clear();
    partitions_.clear();
    primary_number_.reset();
    std::size_t budget = kMostDescriptorsRead;
    for (std::uint32_t at = 0; at < length / volume_.sector_size && budget > 0; ++at, --budget) {
      const auto sector = CheckedAdd(location, at);
      if (!sector) break;
      const auto bytes = PLATTER_TRY(ReadSector(*sector, std::nullopt));
      const auto id = static_cast<TagId>(TagLayout::kId.Decode(bytes.data()));
      if (id == TagId::kTerminator) break;
      if (id == TagId::kVolumePointer) {
        const RecordView<udf::VolumePointerLayout> pointer(std::span<const std::byte>(bytes).first<512>());
        location = pointer.Get<udf::VolumePointerLayout::kNextLocation>();
        length = pointer.Get<udf::VolumePointerLayout::kNextLength>();
        at = ~std::uint32_t{0};
        continue;
      }
      TakeDescriptor(id, bytes);
    }
    return UseDescriptors();
  }

  void TakeDescriptor(TagId id, const std::vector<std::byte>& bytes) {
    const auto field = [&bytes](Text text) { return std::span(bytes).subspan(text.offset, text.length); };
    const std::uint32_t number = NumberOf(bytes);
    if (id == TagId::kPrimaryVolume && number >= primary_number_.value_or(0)) {
      primary_number_ = number;
      volume_.volume_id = DString(field(udf::PrimaryVolumeLayout::kVolumeId));
      volume_.volume_set_id = DString(field(udf::PrimaryVolumeLayout::kVolumeSetId));
      volume_.application = Trimmed(field(udf::PrimaryVolumeLayout::kApplicationId));
    } else if (id == TagId::kPartition) {
      using Layout = udf::PartitionLayout;
      const RecordView<Layout> view(std::span<const std::byte>(bytes).first<Layout::kSize>());
      const UdfPartition partition = {view.Get<Layout::kNumber>(),
                                      std::uint64_t{view.Get<Layout::kStart>()} * volume_.sector_size,
                                      std::uint64_t{view.Get<Layout::kLength>()} * volume_.sector_size};
      const auto there = partitions_.try_emplace(partition.number, Numbered{number, partition}).first;
      if (number >= there->second.number) there->second = {number, partition};
    } else if (id == TagId::kLogicalVolume && (logical_volume_.empty() || number >= NumberOf(logical_volume_))) {
      logical_volume_ = bytes;
    }
  }

  static std::uint32_t NumberOf(const std::vector<std::byte>& descriptor) {
    return udf::kVolumeDescriptorSequenceNumber.Decode(descriptor.data());
  }

  static Error LogicalVolumeError(ErrorKind kind, std::string what, const char* field) {
    return Error(kind, std::move(what)).At("UDF logical volume descriptor", field);
  }

  Result<> UseDescriptors() {
    using Layout = udf::LogicalVolumeLayout;
    if (logical_volume_.empty() || partitions_.empty()) {
      return Error(ErrorKind::kCorrupt, "the sequence has no logical volume or no partition")
          .In(storage_.name())
          .At("UDF volume descriptor sequence", logical_volume_.empty() ? "logical volume" : "partition");
    }
    const std::span<const std::byte> bytes = logical_volume_;
    const RecordView<Layout> view(bytes.first<Layout::kSize>());
    volume_.block_size = view.Get<Layout::kBlockSize>();
    volume_.revision = view.Get<Layout::kRevision>();
    volume_.logical_volume_id = DString(bytes.subspan(Layout::kVolumeId.offset, Layout::kVolumeId.length));
    if (volume_.block_size != volume_.sector_size) {
      return LogicalVolumeError(ErrorKind::kUnsupported, "logical blocks that are no sectors", "logical_block_size")
          .Found(volume_.block_size)
          .Allowed(std::to_string(volume_.sector_size));
    }
    PLATTER_CHECK(ReadMaps(bytes, view.Get<Layout::kMapCount>()));
    for (const auto& [number, found] : partitions_) {
      volume_.claimed_size = std::max(volume_.claimed_size, found.partition.start + found.partition.length);
    }
    file_set_ = AddressOf(bytes.subspan(Layout::kFileSet, udf::LongAllocation::kSize));
    return Done{};
  }

  static UdfAddress AddressOf(std::span<const std::byte> long_allocation) {
    const RecordView<udf::LongAllocation> view(long_allocation.first<udf::LongAllocation::kSize>());
    return {view.Get<udf::LongAllocation::kBlock>(), view.Get<udf::LongAllocation::kPartition>()};
  }

  Result<> ReadMaps(std::span<const std::byte> descriptor, std::uint32_t count) {
    volume_.maps.clear();
    if (count == 0 || count > kMostMaps) {
      return LogicalVolumeError(ErrorKind::kCorrupt, "a number of partition maps that cannot be", "map_count")
          .Found(count)
          .Allowed(fmt::format("1 to {}", kMostMaps));
    }
    auto rest = descriptor.subspan(udf::LogicalVolumeLayout::kMaps);
    for (std::uint32_t at = 0; at < count; ++at) {
      const std::size_t length = rest.size() < 2 ? 0 : std::to_integer<std::size_t>(rest[1]);
      if (length < udf::kPhysicalMapSize || length > rest.size()) {
        return LogicalVolumeError(ErrorKind::kCorrupt, "a partition map does not fit", "maps").Found(length);
      }
      PLATTER_CHECK(AddMap(rest.first(length)));
      rest = rest.subspan(length);
    }
    return Done{};
  }

  Result<> AddMap(std::span<const std::byte> map) {
    const auto type = std::to_integer<std::uint8_t>(map[0]);
    if (type != udf::kPhysicalMap) {
      const std::string name = map.size() >= 28 ? Trimmed(map.subspan(5, 23)) : fmt::format("type {}", type);
      return LogicalVolumeError(ErrorKind::kUnsupported,
                                fmt::format("UDF partitions of the kind '{}' are not supported", name), "maps");
    }
    const auto number = LoadLe<std::uint16_t>(map.data() + 4);
    const auto partition = partitions_.find(number);
    if (partition == partitions_.end()) {
      return LogicalVolumeError(ErrorKind::kCorrupt, "a partition map names no partition", "maps").Found(number);
    }
    volume_.maps.push_back(partition->second.partition);
    return Done{};
  }

  Result<> ReadFileSet() {
    std::vector<std::byte> bytes(volume_.block_size);
    const std::uint64_t offset = PLATTER_TRY(volume_.HostOffset(file_set_, bytes.size()));
    if (!FitsWithin(offset, bytes.size(), storage_.size())) {
      return Error(ErrorKind::kCorrupt, "the file ends before UDF's file set")
          .In(storage_.name())
          .At("UDF logical volume descriptor", "file set", offset)
          .Found(storage_.size());
    }
    PLATTER_CHECK(storage_.ReadAt(offset, bytes));
    PLATTER_CHECK(CheckUdfTag(bytes, TagId::kFileSet, file_set_.block, offset));
    volume_.root = AddressOf(std::span(bytes).subspan(udf::FileSetLayout::kRoot, udf::LongAllocation::kSize));
    return Done{};
  }

  Storage& storage_;
  UdfVolume& volume_;
  Findings& findings_;
  // The descriptors that count: those with the highest numbers, of equal ones the last.
  struct Numbered {
    std::uint32_t number = 0;
    UdfPartition partition;
  };
  std::optional<std::uint32_t> primary_number_;
  std::vector<std::byte> logical_volume_;
  std::map<std::uint16_t, Numbered> partitions_;  // by partition number
  UdfAddress file_set_;
};

}  // namespace

Result<std::uint64_t> UdfVolume::HostOffset(UdfAddress address, std::uint64_t length) const {
  if (address.partition >= maps.size()) {
    return Error(ErrorKind::kCorrupt, "an address names no partition of the UDF volume")
        .At("UDF address", "partition reference")
        .Found(address.partition)
        .Allowed(fmt::format("below {}", maps.size()));
  }
  const UdfPartition& partition = maps[address.partition];
  const std::uint64_t offset = std::uint64_t{address.block} * block_size;
  if (FitsWithin(offset, length, partition.length)) return partition.start + offset;
  return Error(ErrorKind::kCorrupt, "an address lies outside its UDF partition")
      .At("UDF address", "block")
      .Found(fmt::format("{} bytes from block {}", length, address.block))
      .Allowed(fmt::format("within {} bytes", partition.length));
}

Result<> CheckUdfTag(std::span<const std::byte> bytes, TagId id, std::uint32_t location, std::uint64_t host_offset) {
  const RecordView<TagLayout> tag(bytes.first<TagLayout::kSize>());
  const auto found = tag.Get<TagLayout::kId>();
  if (found != static_cast<std::uint16_t>(id)) {
    return TagError("another UDF descriptor was expected", "tag_identifier", host_offset)
        .Found(found)
        .Allowed(std::to_string(static_cast<unsigned>(id)));
  }
  unsigned sum = 0;
  for (std::size_t at = 0; at < TagLayout::kSize; ++at) {
    if (at != TagLayout::kChecksum.offset) sum += std::to_integer<unsigned>(bytes[at]);
  }
  if ((sum & 0xFFU) != tag.Get<TagLayout::kChecksum>()) {
    return TagError("a UDF descriptor's tag has a wrong checksum", "tag_checksum", host_offset + 4)
        .Found(tag.Get<TagLayout::kChecksum>())
        .Allowed(std::to_string(sum & 0xFFU));
  }
  const std::size_t length = tag.Get<TagLayout::kCrcLength>();
  if (length > bytes.size() - TagLayout::kSize) {
    return TagError("a UDF descriptor's CRC covers more than the descriptor", "crc_length", host_offset + 10)
        .Found(length)
        .Allowed(fmt::format("up to {}", bytes.size() - TagLayout::kSize));
  }
  const std::uint16_t crc = Crc(bytes.subspan(TagLayout::kSize, length));
  if (crc != tag.Get<TagLayout::kCrc>()) {
    return TagError("a UDF descriptor has a wrong CRC", "crc", host_offset + 8)
        .Found(tag.Get<TagLayout::kCrc>())
        .Allowed(std::to_string(crc));
  }
  if (tag.Get<TagLayout::kLocation>() != location) {
    return TagError("a UDF descriptor says that it stands elsewhere", "tag_location", host_offset + 12)
        .Found(tag.Get<TagLayout::kLocation>())
        .Allowed(std::to_string(location));
  }
  return Done{};
}

Result<UdfVolume> ReadUdfVolume(Storage& storage, std::string recognition, Findings& findings) {
  UdfVolume volume;
  volume.recognition = std::move(recognition);
  PLATTER_CHECK(VolumeReader(storage, volume, findings).Read());
  return volume;
}

}  // namespace platter::iso
