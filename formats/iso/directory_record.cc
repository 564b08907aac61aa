#include "formats/iso/directory_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

using Layout = DirectoryRecordLayout;

Error Corrupt(const char* what, const char* field, std::uint64_t host_offset) {
  return Error(ErrorKind::kCorrupt, what).At("directory record", field, host_offset);
}

}  // namespace

Result<DirectoryRecord> ParseDirectoryRecord(std::span<const std::byte> bytes, std::uint64_t host_offset) {
  const std::size_t length = bytes.empty() ? 0 : std::to_integer<std::size_t>(bytes[0]);
  if (length <= Layout::kSize || length > bytes.size()) {
    return Corrupt("a directory record does not fit", "length", host_offset)
        .Found(length)
        .Allowed(fmt::format("{} to {}", Layout::kSize + 1, bytes.size()));
  }
  const std::byte* record = bytes.data();
  const RecordView<Layout> view(bytes.first<Layout::kSize>());
  const std::size_t name_length = view.Get<Layout::kNameLength>();
  if (name_length == 0 || Layout::kSize + name_length > length) {
    return Corrupt("a name does not fit its directory record", "name_length", host_offset + 32)
        .Found(name_length)
        .Allowed(fmt::format("1 to {}", length - Layout::kSize));
  }
  DirectoryRecord parsed;
  parsed.host_offset = host_offset;
  parsed.extent = Layout::kExtent.Little(record);
  parsed.data_length = Layout::kDataLength.Little(record);
  parsed.big_extent = Layout::kExtent.Big(record);
  parsed.big_data_length = Layout::kDataLength.Big(record);
  parsed.endians_disagree = parsed.extent != parsed.big_extent || parsed.data_length != parsed.big_data_length;
  parsed.sequence_number = Layout::kVolumeSequenceNumber.Little(record);
  parsed.big_sequence_number = Layout::kVolumeSequenceNumber.Big(record);
  parsed.extended_attribute_blocks = view.Get<Layout::kExtendedAttributeBlocks>();
  parsed.flags = view.Get<Layout::kFlags>();
  parsed.unit_size = view.Get<Layout::kUnitSize>();
  parsed.gap_size = view.Get<Layout::kGapSize>();
  parsed.modified = RecordTime(bytes.subspan<Layout::kDate, 7>());
  parsed.name = AsText(bytes.subspan(Layout::kSize, name_length));
  // The name is padded so that the system use area starts at an even offset.
  const std::size_t use = std::min(length, (Layout::kSize + name_length + 1) / 2 * 2);
  parsed.system_use.assign(bytes.begin() + static_cast<std::ptrdiff_t>(use),
                           bytes.begin() + static_cast<std::ptrdiff_t>(length));
  return parsed;
}

Result<> DirectoryReader::Load(std::uint64_t sector) {
  if (sector == loaded_) return Done{};
  if (!FitsWithin(sector, std::min(kSectorSize, end_ - sector), storage_.size())) {
    return Error(ErrorKind::kCorrupt, "the file ends inside a directory")
        .In(storage_.name())
        .At("directory", "extent", sector)
        .Found(storage_.size())
        .Allowed(fmt::format("a file of {} bytes or more", end_));
  }
  bytes_.resize(std::min(kSectorSize, end_ - sector));
  PLATTER_CHECK(storage_.ReadAt(sector, bytes_));
  loaded_ = sector;
  return Done{};
}

Result<std::optional<DirectoryRecord>> DirectoryReader::Next() {
  while (at_ < end_) {
    const std::uint64_t sector = AlignDown(at_, kSectorSize);
    const std::uint64_t start = std::max(sector, at_);
    PLATTER_CHECK(Load(sector));
    const auto rest = std::span<const std::byte>(bytes_).subspan(start - sector);
    if (rest.empty() || rest[0] == std::byte{0}) {
      at_ = sector + kSectorSize;  // the rest of the sector is not used
      continue;
    }
    auto record = ParseDirectoryRecord(rest, at_);
    if (!record.ok()) return std::move(record).error().In(storage_.name());
    at_ += std::to_integer<std::uint64_t>(rest[0]);
    return std::optional<DirectoryRecord>(std::move(record).value());
  }
  return std::optional<DirectoryRecord>();
}

bool DirectoryReader::PassDamage() noexcept {
  const std::uint64_t sector = AlignDown(at_, kSectorSize);
  if (sector != loaded_ || passed_ == kMostDamaged) return false;
  ++passed_;
  at_ = sector + kSectorSize;
  return true;
}

}  // namespace platter::iso
