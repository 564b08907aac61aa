#include "formats/vdi/writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "formats/core/checked.h"

namespace platter::vdi {
namespace {

constexpr std::uint32_t kUnit = 4096;  // zeros are looked for in pieces of this size
constexpr std::uint32_t kMaxAlignment = std::uint32_t{1} << 20;

}  // namespace

Writer::Writer(CreateOptions options, std::shared_ptr<Storage> storage)
    : options_(std::move(options)), storage_(std::move(storage)), map_(*storage_, options_.header.map_offset) {
  traits_.unit = std::min(kUnit, options_.header.block_size);
  traits_.batch_alignment = std::min(kMaxAlignment, options_.header.block_size);
  traits_.looked_at = WriterTraits::kNothing;
  if (options_.preallocation == Preallocation::kOff) {
    traits_.host_alignment = LargestPowerIn(options_.header.data_offset | options_.header.stride());
  }
}

Result<> Writer::Start() {
  const Header& header = options_.header;
  if (storage_->size() != 0) PLATTER_CHECK(storage_->WriteAt(0, std::vector<std::byte>(header.map_offset)));
  const std::uint64_t length = header.blocks * header.stride();
  return Preallocate(*storage_, options_.preallocation, header.data_offset, length);
}

Result<> Writer::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kData) continue;
    const auto place_part = [&](const Run& part) { return PlacePart(batch, part); };
    PLATTER_CHECK(ForEachPart(run, options_.header.block_size, place_part));
  }
  return Done{};
}

Result<> Writer::PlacePart(Batch& batch, const Run& part) {
  const Header& header = options_.header;
  const auto place = PLATTER_TRY(PlaceOf(static_cast<std::uint32_t>(part.offset / header.block_size)));
  AppendRun(batch, *storage_, header.HostOffset(place) + part.offset % header.block_size, part);
  return Done{};
}

Result<std::uint32_t> Writer::PlaceOf(std::uint32_t block) {
  if (std::uint64_t{block} + 1 == map_.next()) return last_place_;
  PLATTER_CHECK(FillMapTo(block));
  last_place_ = options_.places_all() ? block : next_place_;
  PLATTER_CHECK(ClearPlace(last_place_));
  PLATTER_CHECK(map_.Append(last_place_));
  next_place_ = last_place_ + 1;
  return last_place_;
}

Result<> Writer::FillMapTo(std::uint32_t block) {
  while (map_.next() < block) {
    const auto next = static_cast<std::uint32_t>(map_.next());
    if (options_.places_all()) PLATTER_CHECK(ClearPlace(next));
    PLATTER_CHECK(map_.Append(options_.places_all() ? next : kNeverAllocated));
  }
  return Done{};
}

Result<> Writer::ClearPlace(std::uint32_t place) {
  if (!storage_->is_device()) return Done{};
  return storage_->Punch(options_.header.HostOffset(place), options_.header.block_size);
}

Result<> Writer::Finish() {
  Header& header = options_.header;
  PLATTER_CHECK(FillMapTo(header.blocks));
  PLATTER_CHECK(map_.Flush());
  if (!options_.places_all()) header.allocated_blocks = next_place_;
  if (!storage_->is_device()) {
    PLATTER_CHECK(storage_->Resize(header.data_offset + header.allocated_blocks * header.stride()));
  }
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, SerializeHeader(header)));
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "VDI images cannot be compressed");
  CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  auto writer = std::make_unique<Writer>(std::move(options), request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vdi
