#include "formats/iso/volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/checked.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

using Layout = DescriptorLayout;

constexpr std::size_t kIdOffset = Layout::kId.offset;
constexpr std::uint16_t kSmallestBlock = 512;

bool HasId(std::span<const std::byte> descriptor, std::string_view id, std::size_t offset = kIdOffset) noexcept {
  return descriptor.size() >= offset + id.size() && AsText(descriptor.subspan(offset, id.size())) == id;
}

bool IsExtended(std::span<const std::byte> descriptor) noexcept {
  return HasId(descriptor, "BEA01") || HasId(descriptor, "NSR02") || HasId(descriptor, "NSR03");
}

std::string_view KindName(VolumeDescriptor::Kind kind) {
  switch (kind) {
    case VolumeDescriptor::Kind::kPrimary:
      return "primary volume descriptor";
    case VolumeDescriptor::Kind::kJoliet:
      return "Joliet volume descriptor";
    case VolumeDescriptor::Kind::kEnhanced:
      return "enhanced volume descriptor";
    case VolumeDescriptor::Kind::kSupplementary:
      return "supplementary volume descriptor";
  }
  return "volume descriptor";
}

// Joliet's escape sequences name UCS-2 level 1, 2 or 3; 0 for anything else.
int JolietLevel(std::span<const std::byte> escapes) {
  const std::string_view text = AsText(escapes.first(3));
  if (text == "%/@") return 1;
  if (text == "%/C") return 2;
  return text == "%/E" ? 3 : 0;
}

// Takes one descriptor apart.
class DescriptorParser {
 public:
  DescriptorParser(std::span<const std::byte> bytes, std::uint64_t host_offset, Findings& findings)
      : bytes_(bytes), findings_(findings) {
    parsed_.host_offset = host_offset;
  }

  Result<VolumeDescriptor> Parse() {
    SettleKind();
    TakeTexts();
    PLATTER_CHECK(TakeBlockSize());
    parsed_.space_size = Number(Layout::kVolumeSpaceSize, "volume_space_size");
    parsed_.path_table_size = Number(Layout::kPathTableSize, "path_table_size");
    parsed_.set_size = Number(Layout::kVolumeSetSize, "volume_set_size");
    parsed_.sequence_number = Number(Layout::kVolumeSequenceNumber, "volume_sequence_number");
    parsed_.l_path_table = Layout::kLPathTable.Decode(bytes_.data());
    parsed_.m_path_table = Layout::kMPathTable.Decode(bytes_.data());
    if (parsed_.space_size == 0) {
      return Corrupt("a volume of no size", "volume_space_size", Layout::kVolumeSpaceSize.offset).Found(0);
    }
    PLATTER_CHECK(TakeRoot());
    return std::move(parsed_);
  }

 private:
  std::span<const std::byte> Field(Text text) const { return bytes_.subspan(text.offset, text.length); }

  Error Corrupt(const char* what, const char* field, std::size_t offset) const {
    return Error(ErrorKind::kCorrupt, what)
        .At(std::string(KindName(parsed_.kind)), field, parsed_.host_offset + offset);
  }

  template <class T>
  T Number(Both<T> field, const char* name) {
    const T little = field.Little(bytes_.data());
    const T big = field.Big(bytes_.data());
    if (little != big) {
      findings_.Add(fmt::format("{}, field {} at offset {:#x}: {} little-endian, {} big-endian", KindName(parsed_.kind),
                                name, parsed_.host_offset + field.offset, little, big));
    }
    // A writer that fills in one half only leaves the other 0.
    return little != 0 ? little : big;
  }

  void SettleKind() {
    const auto type = static_cast<DescriptorType>(Layout::kType.Decode(bytes_.data()));
    if (type == DescriptorType::kPrimary) return;
    parsed_.joliet_level = JolietLevel(Field(Layout::kEscapeSequences));
    using Kind = VolumeDescriptor::Kind;
    parsed_.kind = parsed_.joliet_level != 0                                    ? Kind::kJoliet
                   : Layout::kVersion.Decode(bytes_.data()) == kEnhancedVersion ? Kind::kEnhanced
                                                                                : Kind::kSupplementary;
  }

  void TakeTexts() {
    const auto text = [this](Text field) {
      return parsed_.joliet_level != 0 ? TrimmedUtf16(Field(field)) : Trimmed(Field(field));
    };
    parsed_.system_id = text(Layout::kSystemId);
    parsed_.volume_id = text(Layout::kVolumeId);
    parsed_.volume_set_id = text(Layout::kVolumeSetId);
    parsed_.publisher = text(Layout::kPublisherId);
    parsed_.preparer = text(Layout::kPreparerId);
    parsed_.application = text(Layout::kApplicationId);
    parsed_.created = DescriptorTime(Field(Layout::kCreated));
    parsed_.modified = DescriptorTime(Field(Layout::kModified));
    parsed_.extended_architecture = Trimmed(Field(Layout::kExtendedArchitecture)) == "CD-XA001";
    parsed_.media_checksum = AsText(Field(Layout::kApplicationUse)).find("ISO MD5SUM = ") != std::string_view::npos;
  }

  Result<> TakeBlockSize() {
    const std::uint16_t size = Number(Layout::kLogicalBlockSize, "logical_block_size");
    if (!std::has_single_bit(size) || size < kSmallestBlock || size > kSectorSize) {
      return Corrupt("unsupported logical block size", "logical_block_size", Layout::kLogicalBlockSize.offset)
          .Found(size)
          .Allowed("512, 1024, 2048");
    }
    parsed_.block_size = size;
    return Done{};
  }

  Result<> TakeRoot() {
    const std::uint64_t offset = parsed_.host_offset + Layout::kRootRecord;
    auto root = ParseDirectoryRecord(bytes_.subspan(Layout::kRootRecord, kRootRecordSize), offset);
    if (!root.ok()) return std::move(root).error().While("reading the root directory's record");
    parsed_.root = std::move(root).value();
    if (!parsed_.root.directory()) {
      return Corrupt("the root directory is none", "root_directory_record.flags", Layout::kRootRecord + 25)
          .Found(parsed_.root.flags)
          .Allowed("2");
    }
    if (parsed_.root.endians_disagree) {
      findings_.Add(
          fmt::format("{}, root directory record at offset {:#x}: extent {} and length {} little-endian, {} "
                      "and {} big-endian",
                      KindName(parsed_.kind), offset, parsed_.root.extent, parsed_.root.data_length,
                      parsed_.root.big_extent, parsed_.root.big_data_length));
    }
    const std::uint64_t end = std::uint64_t{parsed_.root.extent} * parsed_.block_size + parsed_.root.data_length;
    const std::uint64_t volume_end = std::uint64_t{parsed_.space_size} * parsed_.block_size;
    if (parsed_.root.data_length != 0 && end <= volume_end) return Done{};
    return Corrupt("the root directory lies outside the volume", "root_directory_record", Layout::kRootRecord)
        .Found(fmt::format("{} bytes from block {}", parsed_.root.data_length, parsed_.root.extent))
        .Allowed(fmt::format("1 byte or more, within {} bytes", volume_end));
  }

  std::span<const std::byte> bytes_;
  Findings& findings_;
  VolumeDescriptor parsed_;
};

class SetReader {
 public:
  SetReader(const std::shared_ptr<Storage>& storage, Volume& volume) : storage_(*storage), volume_(volume) {}

  Result<> Read() {
    PLATTER_CHECK(ReadSet());
    PLATTER_CHECK(RefuseOtherFormats());
    if (boot_catalog_) PLATTER_CHECK(ReadBoot());
    PLATTER_CHECK(ReadUdf());
    PLATTER_CHECK(ReadSusp());
    for (const VolumeDescriptor& descriptor : volume_.descriptors) {
      volume_.claimed_size =
          std::max(volume_.claimed_size, std::uint64_t{descriptor.space_size} * descriptor.block_size);
    }
    if (volume_.udf) volume_.claimed_size = std::max(volume_.claimed_size, volume_.udf->claimed_size);
    return Done{};
  }

 private:
  Result<> ReadSet() {
    std::vector<std::byte> bytes(kSectorSize);
    int unknown = 0;
    for (std::uint64_t at = 0; at < kMostDescriptors && unknown < 2; ++at) {
      const std::uint64_t offset = kDescriptorStart + at * kSectorSize;
      if (!FitsWithin(offset, kSectorSize, storage_.size())) break;
      PLATTER_CHECK(storage_.ReadAt(offset, bytes));
      if (HasId(bytes, kStandardId) && !terminated_) {
        PLATTER_CHECK(Take(bytes, offset));
      } else if (HasId(bytes, kHighSierraId, kHighSierraIdOffset) && !terminated_) {
        volume_.high_sierra = true;
      } else if (IsExtended(bytes)) {
        extended_ = true;
        if (!HasId(bytes, "BEA01")) recognition_ = AsText(std::span(bytes).subspan(kIdOffset, 5));
      } else if (HasId(bytes, "TEA01")) {
        break;
      } else if (IsPassedOver(bytes)) {
        continue;
      } else {
        // Media with sectors of 4096 bytes have a gap behind each structure.
        unknown += extended_ ? 1 : 2;
      }
    }
    return Done{};
  }

  Result<> Take(std::span<const std::byte> bytes, std::uint64_t offset) {
    any_ = true;
    const auto type = static_cast<DescriptorType>(Layout::kType.Decode(bytes.data()));
    if (type == DescriptorType::kTerminator) terminated_ = true;
    if (type == DescriptorType::kBootRecord) {
      const auto id = Trimmed(bytes.subspan(BootRecordLayout::kSystemId.offset, BootRecordLayout::kSystemId.length));
      if (id == kElToritoId && !boot_catalog_) boot_catalog_ = BootRecordLayout::kCatalog.Decode(bytes.data());
    }
    if (type != DescriptorType::kPrimary && type != DescriptorType::kSupplementary) return Done{};
    auto parsed = DescriptorParser(bytes, offset, volume_.findings).Parse();
    if (parsed.ok()) {
      const bool repeated =
          type == DescriptorType::kPrimary && volume_.Find(VolumeDescriptor::Kind::kPrimary) != nullptr;
      if (!repeated) volume_.descriptors.push_back(std::move(parsed).value());
      return Done{};
    }
    if (type == DescriptorType::kPrimary) return std::move(parsed).error().In(storage_.name());
    volume_.findings.Add(parsed.error().Describe());
    return Done{};
  }

  Result<> RefuseOtherFormats() {
    if (volume_.high_sierra && !any_) {
      return Error(ErrorKind::kUnsupported, "High Sierra volumes (from before ISO 9660) are not supported")
          .In(storage_.name());
    }
    if (!any_ && !extended_) {
      return Error(ErrorKind::kNotThisFormat, "Image is not in iso format")
          .In(storage_.name())
          .At("volume descriptor", "standard identifier", kDescriptorStart + kIdOffset)
          .Allowed("CD001, or UDF's BEA01, NSR02, NSR03");
    }
    if (any_ && volume_.Find(VolumeDescriptor::Kind::kPrimary) == nullptr && !extended_) {
      return Error(ErrorKind::kCorrupt, "the volume has no primary descriptor")
          .In(storage_.name())
          .At("volume descriptor set", "type", kDescriptorStart);
    }
    if (any_ && !terminated_) volume_.findings.Add("volume descriptor set: no terminator");
    return Done{};
  }

  // What is not there or damaged keeps nobody from reading the files.
  Result<> ReadBoot() {
    auto boot = ReadBootCatalog(storage_, *boot_catalog_, volume_.findings);
    if (boot.ok()) {
      volume_.boot = std::move(boot).value();
    } else if (boot.error().kind() == ErrorKind::kIo) {
      return std::move(boot).error();
    } else {
      volume_.findings.Add(boot.error().Describe());
    }
    return Done{};
  }

  Result<> ReadUdf() {
    if (!extended_) return Done{};
    auto udf = ReadUdfVolume(storage_, recognition_, volume_.findings);
    if (udf.ok()) {
      volume_.udf = std::move(udf).value();
      return Done{};
    }
    if (volume_.descriptors.empty() || udf.error().kind() == ErrorKind::kIo) return std::move(udf).error();
    volume_.findings.Add("UDF: " + udf.error().Describe());
    return Done{};
  }

  Result<> ReadSusp() {
    const VolumeDescriptor* primary = volume_.Find(VolumeDescriptor::Kind::kPrimary);
    if (primary == nullptr) return Done{};
    const std::uint64_t root = std::uint64_t{primary->root.extent} * primary->block_size;
    const auto self = DirectoryReader(storage_, root, primary->root.data_length).Next();
    if (!self.ok()) return Note(self.error());
    if (!self.value()) {
      volume_.findings.Add("root directory: it has no records");
      return Done{};
    }
    auto susp = ReadSuspHeader(storage_, primary->block_size, *self.value());
    if (!susp.ok()) return Note(susp.error());
    volume_.susp = std::move(susp).value();
    return Done{};
  }

  Result<> Note(const Error& error) {
    if (error.kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, error.what()).In(storage_.name());
    volume_.findings.Add("root directory: " + error.Describe());
    return Done{};
  }

  Storage& storage_;
  Volume& volume_;
  std::optional<std::uint32_t> boot_catalog_;
  std::string recognition_;
  bool any_ = false;
  bool extended_ = false;
  bool terminated_ = false;
};

}  // namespace

const VolumeDescriptor* Volume::Find(VolumeDescriptor::Kind kind) const noexcept {
  const auto found = std::ranges::find(descriptors, kind, &VolumeDescriptor::kind);
  return found == descriptors.end() ? nullptr : &*found;
}

bool IsVolumeDescriptor(std::span<const std::byte> sector) noexcept {
  return HasId(sector, kStandardId) || IsExtended(sector);
}

bool IsPassedOver(std::span<const std::byte> sector) noexcept {
  return HasId(sector, "BOOT2") || HasId(sector, "CDW02");
}

Result<bool> StartsVolume(Storage& storage) {
  std::vector<std::byte> sector(kSectorSize);
  for (std::uint64_t at = 0; at < kMostDescriptors; ++at) {
    const std::uint64_t offset = kDescriptorStart + at * kSectorSize;
    if (!FitsWithin(offset, kSectorSize, storage.size())) return false;
    PLATTER_CHECK(storage.ReadAt(offset, sector));
    if (IsVolumeDescriptor(sector)) return true;
    if (!IsPassedOver(sector)) return false;
  }
  return false;
}

Result<Volume> ReadVolume(const std::shared_ptr<Storage>& storage) {
  Volume volume;
  PLATTER_CHECK(SetReader(storage, volume).Read());
  return volume;
}

}  // namespace platter::iso
