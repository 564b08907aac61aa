#include "tools/platter/chain_map.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "formats/core/slice_storage.h"

namespace platter::cli {
namespace {

std::uint64_t SizeOf(const OpenedLayer& layer) { return layer.image->info().virtual_size; }

bool Joins(const MapEntry& first, const MapEntry& second) {
  const bool alike = first.depth == second.depth && first.present == second.present && first.zero == second.zero &&
                     first.data == second.data && first.host.has_value() == second.host.has_value();
  if (!alike || !first.host) return alike;
  return first.host->file == second.host->file && first.host->offset + first.length == second.host->offset;
}

// A raw disk is whole sectors: what the last one has beyond the file's end is zero, and lies there as if it were
// stored.
void SplitAtFileEnd(const Image& image, MapEntry& entry) {
  const std::shared_ptr<Storage> file = image.files().front();
  const std::uint64_t stored = file->size();
  if (entry.start >= stored) {
    entry.data = false;
    entry.zero = true;
    entry.host = HostSpot{file.get(), entry.start};
  } else if (entry.data) {
    entry.length = std::min(entry.length, stored - entry.start);
  }
}

// An offset in a part of a file means nothing to a user.
void NameWholeFile(MapEntry& entry) {
  if (!entry.host) return;
  const auto* slice = dynamic_cast<const SliceStorage*>(entry.host->file);
  if (slice != nullptr) entry.host = HostSpot{slice->whole().get(), slice->offset() + entry.host->offset};
}

}  // namespace

Result<DataRun> LastRun::At(Storage& file, std::uint64_t offset) {
  if (&file != file_ || offset < begin_ || offset >= end_) {
    const DataRun run = PLATTER_TRY(file.DataMap(offset));
    file_ = &file;
    begin_ = offset;
    end_ = offset + run.length;
    data_ = run.data;
  }
  return DataRun{end_ - offset, data_};
}

ChainMap::ChainMap(const OpenedChain& chain, std::uint64_t start, std::uint64_t length) : chain_(chain), next_(start) {
  const std::uint64_t size = SizeOf(chain.layers.front());
  end_ = start >= size ? start : start + std::min(length, size - start);
  empty_ = end_ == start;
}

Result<std::optional<MapEntry>> ChainMap::Next() {
  if (empty_) {
    empty_ = false;
    return std::optional(MapEntry{.start = next_});
  }
  while (next_ < end_) {
    MapEntry found = PLATTER_TRY(Look(next_));
    next_ += found.length;
    if (!pending_) {
      pending_ = found;
    } else if (Joins(*pending_, found)) {
      pending_->length += found.length;
    } else {
      return std::exchange(pending_, found);
    }
  }
  return std::exchange(pending_, std::nullopt);
}

std::size_t ChainMap::DeepestLayerAt(std::uint64_t offset) const {
  std::size_t depth = 0;
  while (depth + 1 < chain_.layers.size() && offset < SizeOf(chain_.layers[depth + 1])) ++depth;
  return depth;
}

Result<> ChainMap::LookThroughHoles(const Image& image, MapEntry& entry) {
  for (const std::shared_ptr<Storage>& file : image.files()) {
    if (!entry.host || file.get() != entry.host->file) continue;
    if (entry.host->offset >= file->size()) {
      entry.zero = true;
      return Done{};
    }
    const DataRun run = PLATTER_TRY(last_run_.At(*file, entry.host->offset));
    const bool to_the_end = entry.host->offset + run.length >= file->size();
    entry.zero = !run.data;
    if (run.data || !to_the_end) entry.length = std::min(entry.length, run.length);
  }
  return Done{};
}

Result<MapEntry> ChainMap::Look(std::uint64_t offset) {
  MapEntry entry{.start = offset, .length = end_ - offset};
  const std::size_t bottom = DeepestLayerAt(offset);
  for (std::size_t depth = 0; depth <= bottom; ++depth) {
    const OpenedLayer& layer = chain_.layers[depth];
    const std::uint64_t inside = std::min(entry.length, SizeOf(layer) - offset);
    const LayerExtent extent = PLATTER_TRY(layer.image->Map(offset, inside));
    entry.length = extent.length;
    entry.depth = depth;
    entry.host = extent.host;
    entry.present = extent.status != BlockStatus::kUnallocated;
    if (!entry.present) continue;
    entry.data = extent.status == BlockStatus::kData;
    entry.zero = extent.status == BlockStatus::kZero;
    if (extent.maybe_hole) PLATTER_CHECK(LookThroughHoles(*layer.image, entry));
    if (layer.driver->name == "raw") SplitAtFileEnd(*layer.image, entry);
    break;
  }
  if (!entry.present) entry.zero = true;
  NameWholeFile(entry);
  return entry;
}

}  // namespace platter::cli
