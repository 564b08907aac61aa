#include "formats/vhdx/bat_writer.h"

#include <algorithm>

#include "formats/core/bytes.h"

namespace platter::vhdx {

BatWriter::BatWriter(const Geometry& geometry, Storage& storage, std::uint64_t empty)
    : geometry_(geometry), storage_(storage), empty_(empty), page_(kPageEntries * kBatEntrySize) {}

Result<> BatWriter::Set(std::uint64_t index, std::uint64_t entry) {
  PLATTER_CHECK(AdvanceTo(index));
  StoreLe(page_.data() + index % kPageEntries * kBatEntrySize, entry);
  blank_ = blank_ && entry == 0;
  return AdvanceTo(index + 1);
}

Result<> BatWriter::Finish() {
  PLATTER_CHECK(AdvanceTo(geometry_.bat_entries()));
  return next_ % kPageEntries == 0 ? Done{} : WritePage();
}

// Entries that were set stand in the page already and are not blank; the others get their value here.
Result<> BatWriter::AdvanceTo(std::uint64_t index) {
  const std::uint64_t slots = geometry_.chunk_ratio() + 1;
  while (next_ < index) {
    const std::uint64_t stop = std::min(index, AlignUp(next_ + 1, kPageEntries));
    for (std::uint64_t at = next_; empty_ != 0 && at < stop; ++at) {
      std::byte* slot = page_.data() + at % kPageEntries * kBatEntrySize;
      if (at % slots == geometry_.chunk_ratio() || LoadLe<std::uint64_t>(slot) != 0) continue;
      StoreLe(slot, empty_);
      blank_ = false;
    }
    next_ = stop;
    if (next_ % kPageEntries == 0) PLATTER_CHECK(WritePage());
  }
  return Done{};
}

Result<> BatWriter::WritePage() {
  const std::uint64_t first = (next_ - 1) / kPageEntries * kPageEntries;
  const auto bytes = std::span(page_).first((next_ - first) * kBatEntrySize);
  // A new file reads as zero where nothing is written.
  if (!blank_ || storage_.is_device()) PLATTER_CHECK(storage_.WriteAt(offset_ + first * kBatEntrySize, bytes));
  std::ranges::fill(page_, std::byte{0});
  blank_ = true;
  return Done{};
}

}  // namespace platter::vhdx
