#include "formats/ext/content_extents.h"

#include <algorithm>

namespace platter::ext {
namespace {

constexpr std::uint64_t kBlock = BlockStore::kBlock;
// Of neighbours that one answer of DataMap joins.
constexpr int kMostJoined = 4096;

}  // namespace

std::vector<ContentExtent>::const_iterator ContentVolume::Behind(std::uint64_t block) const {
  return std::ranges::upper_bound(extents_, block, {}, [](const ContentExtent& extent) { return extent.end(); });
}

Result<> ContentVolume::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  auto extent = Behind(offset / kBlock);
  while (!out.empty()) {
    const bool inside = extent != extents_.end() && extent->block * kBlock <= offset;
    const std::uint64_t next = extent == extents_.end() ? size_
                               : inside                 ? extent->end() * kBlock
                                                        : extent->block * kBlock;
    const auto piece = out.first(std::min<std::uint64_t>(out.size(), next - offset));
    if (inside) {
      const std::uint64_t at = offset - extent->block * kBlock;
      const std::uint64_t left = extent->bytes - std::min(at, extent->bytes);
      const auto stored = piece.first(std::min<std::uint64_t>(piece.size(), left));
      if (!stored.empty()) PLATTER_CHECK(content_->ReadAt(extent->source, extent->offset + at, stored));
      std::ranges::fill(piece.subspan(stored.size()), std::byte{0});
    } else {
      tables_->Read(offset, piece);
    }
    offset += piece.size();
    out = out.subspan(piece.size());
    if (inside && offset == next) ++extent;
  }
  return Done{};
}

Result<DataRun> ContentVolume::DoDataMap(std::uint64_t offset) {
  const std::uint64_t first = offset / kBlock;
  std::uint64_t block = first;
  auto extent = Behind(block);
  for (int joined = 0; joined < kMostJoined; ++joined) {
    if (extent != extents_.end() && extent->block <= block) {
      block = (extent++)->end();
    } else if (tables_->Next(block) == block) {
      ++block;
    } else {
      break;
    }
  }
  if (block != first) return DataRun{.length = std::min(block * kBlock, size_) - offset, .data = true};
  std::uint64_t next = size_;
  if (extent != extents_.end()) next = std::min(next, extent->block * kBlock);
  if (const auto table = tables_->Next(block)) next = std::min(next, *table * kBlock);
  return DataRun{.length = next - offset, .data = false};
}

}  // namespace platter::ext
