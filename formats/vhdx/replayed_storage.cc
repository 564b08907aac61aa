#include "formats/vhdx/replayed_storage.h"

#include <algorithm>
#include <array>
#include <utility>

namespace platter::vhdx {
namespace {

// The sector as it is to be in the file.
Result<> RebuildSector(Storage& file, const LoggedRange& range, std::span<std::byte, kSector> out) {
  PLATTER_CHECK(file.ReadAt(range.log_sector, out));
  StoreLe(out.data(), range.leading);
  StoreLe(out.data() + LogDataSector::kSequenceLow.offset, range.trailing);
  return Done{};
}

Error ReadOnly(const std::string& name) {
  return Error(ErrorKind::kInvalid, "a file with a log that is replayed in memory cannot be written").In(name);
}

}  // namespace

ReplayedStorage::ReplayedStorage(std::shared_ptr<Storage> file, LogChanges changes)
    : Storage(file->name()), file_(std::move(file)), changes_(std::move(changes)) {}

Result<> ReplayedStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  PLATTER_CHECK(file_->ReadPadded(offset, out));
  const std::uint64_t end = offset + out.size();
  auto range = changes_.ranges.upper_bound(offset);
  if (range != changes_.ranges.begin()) --range;
  for (; range != changes_.ranges.end() && range->first < end; ++range) {
    const std::uint64_t from = std::max(offset, range->first);
    const std::uint64_t to = std::min(end, range->second.end);
    if (from >= to) continue;
    const auto part = out.subspan(from - offset, to - from);
    if (range->second.log_sector == 0) {
      std::ranges::fill(part, std::byte{0});
      continue;
    }
    std::array<std::byte, kSector> sector{};
    PLATTER_CHECK(RebuildSector(*file_, range->second, sector));
    std::ranges::copy(std::span(sector).subspan(from - range->first, part.size()), part.begin());
  }
  return Done{};
}

Result<> ReplayedStorage::DoWrite(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) {
  return ReadOnly(name());
}
Result<> ReplayedStorage::DoResize(std::uint64_t /*size*/) { return ReadOnly(name()); }
Result<> ReplayedStorage::DoPunch(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(name()); }
Result<> ReplayedStorage::DoAllocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(name()); }

Result<DataRun> ReplayedStorage::DoDataMap(std::uint64_t offset) {
  const auto next = changes_.ranges.upper_bound(offset);
  if (next != changes_.ranges.begin()) {
    const LoggedRange& range = std::prev(next)->second;
    if (offset < range.end) return DataRun{range.end - offset, range.log_sector != 0};
  }
  DataRun run{size() - offset, false};
  if (offset < file_->size()) run = PLATTER_TRY(file_->DataMap(offset));
  if (next != changes_.ranges.end()) run.length = std::min(run.length, next->first - offset);
  return run;
}

Result<> ReplayInPlace(Storage& storage, HeaderPair& pair, const LogChanges& changes) {
  Header header = pair.header();
  header.file_write = Guid::Random();
  PLATTER_CHECK(UpdateHeaders(storage, pair, header));
  if (storage.size() < changes.file_size) PLATTER_CHECK(storage.Resize(changes.file_size));
  for (const auto& [offset, range] : changes.ranges) {
    if (range.log_sector == 0) {
      PLATTER_CHECK(storage.Punch(offset, range.end - offset));
      continue;
    }
    std::array<std::byte, kSector> sector{};
    PLATTER_CHECK(RebuildSector(storage, range, sector));
    PLATTER_CHECK(storage.WriteAt(offset, sector));
  }
  PLATTER_CHECK(storage.Sync());
  header.log_guid = {};
  return UpdateHeaders(storage, pair, header);
}

}  // namespace platter::vhdx
