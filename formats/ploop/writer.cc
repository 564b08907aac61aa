#include "formats/ploop/writer.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "formats/core/checked.h"

namespace platter::ploop {
namespace {

constexpr std::uint64_t kUnit = 4096;  // zeros are looked for in pieces of this size
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;

}  // namespace

Writer::Writer(const CreateOptions& options, std::shared_ptr<Storage> storage)
    : options_(options), storage_(std::move(storage)), table_(*storage_, options_.header.EntryOffset(0)) {
  const std::uint64_t cluster_size = options_.header.cluster_size;
  traits_.unit = kUnit;
  // Batches of whole clusters where those are powers of two; others are cut where they have to be.
  if (std::has_single_bit(cluster_size)) traits_.unit = std::min(kUnit, cluster_size);
  traits_.batch_alignment = traits_.unit;
  if (std::has_single_bit(cluster_size)) traits_.batch_alignment = std::min(cluster_size, kMaxAlignment);
  traits_.looked_at = WriterTraits::kNothing;
  if (options_.preallocation == Preallocation::kOff) {
    traits_.host_alignment = LargestPowerIn(options_.header.data_offset | cluster_size);
  }
}

Result<> Writer::Start() {
  const Header& header = options_.header;
  if (storage_->size() != 0) PLATTER_CHECK(storage_->WriteAt(0, std::vector<std::byte>(HeaderLayout::kSize)));
  const std::uint64_t length = header.entries * header.cluster_size;
  return Preallocate(*storage_, options_.preallocation, header.data_offset, length);
}

Result<> Writer::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kData) continue;
    const auto place_part = [&](const Run& part) { return PlacePart(batch, part); };
    PLATTER_CHECK(ForEachPart(run, options_.header.cluster_size, place_part));
  }
  return Done{};
}

Result<> Writer::PlacePart(Batch& batch, const Run& part) {
  const std::uint64_t cluster_size = options_.header.cluster_size;
  const std::uint64_t host = PLATTER_TRY(HostOf(static_cast<std::uint32_t>(part.offset / cluster_size)));
  AppendRun(batch, *storage_, host + part.offset % cluster_size, part);
  return Done{};
}

std::uint32_t Writer::EntryAt(std::uint32_t place) const noexcept {
  return options_.header.EntryOf(options_.header.PlaceOffset(place));
}

Result<std::uint64_t> Writer::HostOf(std::uint32_t cluster) {
  if (std::uint64_t{cluster} + 1 != table_.next()) {
    PLATTER_CHECK(FillTableTo(cluster));
    last_place_ = options_.places_all() ? cluster : next_place_;
    PLATTER_CHECK(ClearPlace(last_place_));
    PLATTER_CHECK(table_.Append(EntryAt(last_place_)));
    next_place_ = last_place_ + 1;
  }
  return options_.header.PlaceOffset(last_place_);
}

Result<> Writer::FillTableTo(std::uint32_t cluster) {
  while (table_.next() < cluster) {
    const auto next = static_cast<std::uint32_t>(table_.next());
    if (options_.places_all()) {
      PLATTER_CHECK(ClearPlace(next));
      PLATTER_CHECK(table_.Append(EntryAt(next)));
    } else if (table_.flushed() && !storage_->is_device()) {
      table_.SkipTo(cluster);
    } else {
      PLATTER_CHECK(table_.Append(0));
    }
  }
  return Done{};
}

Result<> Writer::ClearPlace(std::uint32_t place) {
  if (!storage_->is_device()) return Done{};
  return storage_->Punch(options_.header.PlaceOffset(place), options_.header.cluster_size);
}

Result<> Writer::Finish() {
  const Header& header = options_.header;
  PLATTER_CHECK(FillTableTo(header.entries));
  PLATTER_CHECK(table_.Flush());
  const std::uint32_t places = options_.places_all() ? header.entries : next_place_;
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(header.PlaceOffset(places)));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, SerializeHeader(header)));
  return storage_->Sync();
}

}  // namespace platter::ploop
