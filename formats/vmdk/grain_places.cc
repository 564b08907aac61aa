#include "formats/vmdk/grain_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

constexpr std::uint64_t kLastSector = std::numeric_limits<std::uint32_t>::max();  // that an entry can say

}  // namespace

GrainPlaces::GrainPlaces(const ExtentFile& extent, const Limits& limits)
    : extent_(&extent),
      tables_(&extent.grains->tables()),
      memory_limit_(limits.metadata_bytes),
      grain_sectors_(tables_->grain_size / kSectorSize) {}

Result<GrainPlaces> GrainPlaces::Of(const ExtentFile& extent, const Limits& limits) {
  GrainPlaces places(extent, limits);
  PLATTER_CHECK(places.TakeMetadata());
  PLATTER_CHECK(places.TakeTables());
  PLATTER_CHECK(places.TakeGrains());
  if (!places.any_grain_) PLATTER_CHECK(places.BlockMetadata());
  return places;
}

std::uint64_t GrainPlaces::directory_bytes() const noexcept { return tables_->directory_entries * kEntrySize; }

std::uint64_t GrainPlaces::NumberOf(std::uint64_t sector) const noexcept { return (sector + shift()) / grain_sectors_; }

Result<> GrainPlaces::TakeMetadata() {
  const SparseHeader& header = extent_->hosted->header;
  PLATTER_CHECK(Claim(0, kSectorSize, "the header"));
  if (header.descriptor_offset != 0) {
    PLATTER_CHECK(
        Claim(header.descriptor_offset * kSectorSize, header.descriptor_size * kSectorSize, "the descriptor"));
  }
  PLATTER_CHECK(Claim(tables_->directory, directory_bytes(), "the grain directory"));
  if (tables_->redundant == 0) return Done{};
  return Claim(tables_->redundant, directory_bytes(), "the redundant grain directory");
}

Result<> GrainPlaces::TakeTables() {
  for (std::uint64_t index = 0; index < tables_->directory_entries; ++index) {
    for (const bool redundant : {false, true}) {
      if (redundant && tables_->redundant == 0) continue;
      const std::uint64_t table = PLATTER_TRY(extent_->grains->TableAt(index, redundant));
      if (table == 0) {
        return Error(ErrorKind::kUnsupported,
                     "images are only read whose grain tables were not all made from the start")
            .At(redundant ? "VMDK redundant grain directory" : "VMDK grain directory", fmt::format("entry {}", index),
                (redundant ? tables_->redundant : tables_->directory) + index * kEntrySize)
            .Found(0);
      }
      PLATTER_CHECK(Claim(table, tables_->table_bytes(), fmt::format("grain table {}", index)));
    }
    PLATTER_CHECK(CheckMemory());
  }
  return Done{};
}

Result<> GrainPlaces::Claim(std::uint64_t offset, std::uint64_t length, const std::string& what) {
  const std::uint64_t end = DivideRoundingUp(offset + length, kSectorSize);
  for (std::uint64_t sector = offset / kSectorSize; sector < std::min(end, kLastSector); ++sector) {
    if (metadata_.Add(static_cast<std::uint32_t>(sector))) continue;
    return Error(ErrorKind::kCorrupt, fmt::format("{} overlaps something else", what))
        .At("VMDK extent", what, offset)
        .Found(fmt::format("sector {}", sector));
  }
  return Done{};
}

Result<> GrainPlaces::TakeGrains() {
  std::vector<std::byte> bytes(tables_->table_bytes());
  std::uint64_t left = DivideRoundingUp(tables_->capacity, tables_->grain_size);
  for (std::uint64_t index = 0; index < tables_->directory_entries; ++index) {
    const std::uint64_t table = PLATTER_TRY(extent_->grains->TableAt(index, false));
    PLATTER_CHECK(extent_->storage->ReadAt(table, bytes));
    const std::uint64_t count = std::min(left, tables_->table_entries);
    for (std::uint64_t entry = 0; entry < count; ++entry) {
      const auto sector = LoadLe<std::uint32_t>(bytes.data() + entry * kEntrySize);
      if (sector == kNoGrain || (sector == kZeroedGrain && tables_->zeroed_grains)) continue;
      const std::uint64_t guest = index * tables_->table_span() + entry * tables_->grain_size;
      PLATTER_CHECK(
          TakeGrain(sector, table + entry * kEntrySize, std::min(tables_->grain_size, tables_->capacity - guest)));
    }
    left -= count;
    PLATTER_CHECK(CheckMemory());
  }
  return Done{};
}

Result<> GrainPlaces::TakeGrain(std::uint32_t sector, std::uint64_t at, std::uint64_t length) {
  const auto refuse = [&](ErrorKind kind, const char* what) {
    return Error(kind, what).At("VMDK grain table", "entry", at).Found(fmt::format("sector {}", sector));
  };
  if (!any_grain_) {
    any_grain_ = true;
    residue_ = sector % grain_sectors_;
    PLATTER_CHECK(BlockMetadata());
  }
  if (sector % grain_sectors_ != residue_) {
    return refuse(ErrorKind::kUnsupported, "images are only read whose grains lie at odd distances")
        .Allowed(fmt::format("a multiple of {} sectors, plus {}", grain_sectors_, residue_));
  }
  if (!FitsWithin(sector * kSectorSize, length, extent_->storage->size())) {
    return refuse(ErrorKind::kCorrupt, "grain lies outside the file")
        .Allowed(fmt::format("{} bytes inside the file's {}", length, extent_->storage->size()));
  }
  if (places_.Add(static_cast<std::uint32_t>(NumberOf(sector)))) return Done{};
  return refuse(ErrorKind::kCorrupt, "grain overlaps another one, or a table");
}

Result<> GrainPlaces::BlockMetadata() {
  const SparseHeader& header = extent_->hosted->header;
  next_number_ = NumberOf(std::max<std::uint64_t>(header.overhead, 1) + grain_sectors_ - 1);
  Block(0, kSectorSize);
  Block(header.descriptor_offset * kSectorSize, header.descriptor_size * kSectorSize);
  for (const bool redundant : {false, true}) {
    const std::uint64_t directory = redundant ? tables_->redundant : tables_->directory;
    if (directory == 0) continue;
    Block(directory, directory_bytes());
    for (std::uint64_t index = 0; index < tables_->directory_entries; ++index) {
      Block(PLATTER_TRY(extent_->grains->TableAt(index, redundant)), tables_->table_bytes());
    }
  }
  return Done{};
}

void GrainPlaces::Block(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  const std::uint64_t last = std::min(NumberOf((offset + length - 1) / kSectorSize), kLastSector);
  for (std::uint64_t number = NumberOf(offset / kSectorSize); number <= last; ++number) {
    (void)places_.Add(static_cast<std::uint32_t>(number));
  }
}

Result<> GrainPlaces::CheckMemory() const {
  if (metadata_.memory() + places_.memory() <= memory_limit_) return Done{};
  return Error(ErrorKind::kLimit, "grain tables are too large").In(extent_->storage->name());
}

Result<std::uint64_t> GrainPlaces::Take() {
  const auto sector = [&] { return next_number_ * grain_sectors_ - shift(); };
  while (sector() + grain_sectors_ <= kLastSector && !places_.Add(static_cast<std::uint32_t>(next_number_))) {
    ++next_number_;
  }
  if (sector() + grain_sectors_ <= kLastSector) return sector() * kSectorSize;
  return Error(ErrorKind::kOutOfRange, "a sparse extent cannot hold more than 2 TiB").In(extent_->storage->name());
}

}  // namespace platter::vmdk
