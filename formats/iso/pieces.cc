#include "formats/iso/pieces.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/core/checked.h"

namespace platter::iso {

void PiecesStorage::Add(Piece piece) {
  if (piece.length == 0) return;
  pieces_.push_back({size_, piece});
  size_ += piece.length;
}

const PiecesStorage::Placed& PiecesStorage::Find(std::uint64_t offset) const {
  return *std::prev(std::ranges::upper_bound(pieces_, offset, {}, &Placed::start));
}

Result<> PiecesStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const Placed& placed = Find(offset);
    const std::uint64_t skip = offset - placed.start;
    const auto part = out.first(std::min<std::uint64_t>(out.size(), placed.piece.length - skip));
    if (!placed.piece.host_offset) {
      std::ranges::fill(part, std::byte{0});
    } else if (!FitsWithin(*placed.piece.host_offset + skip, part.size(), whole_->size())) {
      return Error(ErrorKind::kCorrupt, "the image ends before the file does")
          .In(whole_->name())
          .At(name(), "extent", *placed.piece.host_offset + skip)
          .Found(whole_->size())
          .Allowed(fmt::format("an image of {} bytes or more", *placed.piece.host_offset + placed.piece.length));
    } else {
      PLATTER_CHECK(whole_->ReadAt(*placed.piece.host_offset + skip, part));
    }
    offset += part.size();
    out = out.subspan(part.size());
  }
  return Done{};
}

Result<DataRun> PiecesStorage::DoDataMap(std::uint64_t offset) {
  const Placed& placed = Find(offset);
  const std::uint64_t rest = placed.piece.length - (offset - placed.start);
  return DataRun{rest, placed.piece.host_offset.has_value()};
}

}  // namespace platter::iso
