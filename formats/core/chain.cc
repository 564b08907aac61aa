#include "formats/core/chain.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace platter {

Chain::Chain(std::vector<std::shared_ptr<Image>> layers) : layers_(std::move(layers)) { assert(!layers_.empty()); }

std::uint64_t Chain::virtual_size() const noexcept { return layers_.front()->info().virtual_size; }

Result<Extent> Chain::MapAbove(std::size_t depth, std::uint64_t guest_offset, std::uint64_t length) const {
  const std::size_t bottom = std::min(depth, layers_.size());
  Extent extent{.offset = guest_offset, .length = length, .status = BlockStatus::kUnallocated};
  PLATTER_CHECK(ByteRange::Within(guest_offset, length, virtual_size()));
  for (std::size_t at = 0; at < bottom; ++at) {
    const std::uint64_t layer_end = layers_[at]->info().virtual_size;
    extent.depth = static_cast<std::uint16_t>(at);
    if (guest_offset >= layer_end) break;
    const std::uint64_t inside = std::min(extent.length, layer_end - guest_offset);
    const LayerExtent answer = PLATTER_TRY(layers_[at]->Map(guest_offset, inside));
    extent.length = answer.length;
    extent.host = answer.host;
    if (answer.status == BlockStatus::kUnallocated) continue;
    extent.status = answer.status;
    extent.compressed = answer.compressed;
    extent.maybe_hole = answer.maybe_hole;
    return extent;
  }
  extent.depth = static_cast<std::uint16_t>(bottom);
  return extent;
}

Result<Extent> Chain::Map(std::uint64_t guest_offset, std::uint64_t length) const {
  return MapAbove(layers_.size(), guest_offset, length);
}

Result<Extent> Chain::MapJoined(std::uint64_t guest_offset, std::uint64_t length) const {
  Extent joined = PLATTER_TRY(Map(guest_offset, length));
  while (joined.length < length) {
    const Extent next = PLATTER_TRY(Map(joined.end(), length - joined.length));
    if (!joined.Continues(next)) break;
    joined.length += next.length;
  }
  return joined;
}

Result<> Chain::ReadAt(std::uint64_t guest_offset, std::span<std::byte> out) const {
  PLATTER_CHECK(ByteRange::Within(guest_offset, out.size(), virtual_size()));
  while (!out.empty()) {
    const Extent extent = PLATTER_TRY(Map(guest_offset, out.size()));
    const auto part = out.first(extent.length);
    if (extent.status == BlockStatus::kData) {
      PLATTER_CHECK(layers_[extent.depth]->ReadAt(guest_offset, part));
    } else {
      std::ranges::fill(part, std::byte{0});
    }
    guest_offset += extent.length;
    out = out.subspan(extent.length);
  }
  return Done{};
}

}  // namespace platter
