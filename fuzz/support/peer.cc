#include "fuzz/support/peer.h"

#include <algorithm>
#include <optional>
#include <string>

#include "formats/format_table.h"
#include "fuzz/peer/protocol.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/reading.h"

namespace platter::fuzz {
namespace {

// Empty where we do not take the image, or not all of what would be compared.
std::optional<Reading> OurReading(std::string_view format, const std::shared_ptr<SparseStorage>& file) {
  DenyGate gate;
  const auto image = FindFormat(format)->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok()) return std::nullopt;
  const ImageInfo& info = image.value()->info();
  if (info.backing || info.backing_search || info.encrypted) return std::nullopt;
  Reading reading{.size = info.virtual_size, .bytes = {}};
  reading.bytes.resize(std::min(reading.size, kPeerReads));
  if (!image.value()->ReadAt(0, reading.bytes).ok()) return std::nullopt;
  return reading;
}

// As far as both could be read.
bool Agree(const Reading& one, const Reading& other) {
  const std::size_t common = std::min(one.bytes.size(), other.bytes.size());
  return one.size == other.size &&
         std::ranges::equal(std::span(one.bytes).first(common), std::span(other.bytes).first(common));
}

void Compare(std::string_view format, std::string_view library, const std::shared_ptr<SparseStorage>& file,
             bool (*known)(const Difference&)) {
  const auto ours = OurReading(format, file);
  if (!ours) return;
  const auto theirs = LibraryReading(library, *file);
  if (!theirs) return;
  const std::size_t common = std::min(ours->bytes.size(), theirs->bytes.size());
  if (Agree(*ours, *theirs) || known({*file, *ours, *theirs})) return;
  const auto third = QemuReading(format, *file);
  if (third && ours->size == third->size && ours->bytes == third->bytes) return;
  const auto [mine, other] = std::mismatch(
      ours->bytes.begin(), ours->bytes.begin() + static_cast<std::ptrdiff_t>(common), theirs->bytes.begin());
  Broken("two readers read the same", "sizes " + std::to_string(ours->size) + " and " + std::to_string(theirs->size) +
                                          ", the first difference at " + std::to_string(mine - ours->bytes.begin()) +
                                          " of " + std::to_string(common));
}

std::span<const std::byte> Piece(const Reading& reading, const ByteRange& range) {
  return std::span(reading.bytes).subspan(range.offset(), range.length());
}

}  // namespace

bool Explained(const Difference& difference, std::string_view format, bool (*explains)(const DifferentExtent&)) {
  DenyGate gate;
  const std::shared_ptr<Storage> file(std::shared_ptr<void>(), &difference.file);
  const auto image = FindFormat(format)->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok() || image.value()->info().allocation_unit == 0) return false;
  const std::uint64_t unit = image.value()->info().allocation_unit;
  const std::uint64_t common = std::min(difference.ours.bytes.size(), difference.theirs.bytes.size());
  for (std::uint64_t at = 0; at < common;) {
    const auto extent = image.value()->Map(at, std::min(unit - at % unit, common - at));
    if (!extent.ok()) return false;
    const auto range = ByteRange::Within(at, extent.value().length, common);
    if (!range.ok()) return false;
    const bool same =
        std::ranges::equal(Piece(difference.ours, range.value()), Piece(difference.theirs, range.value()));
    if (!same && !explains({difference.file, image.value()->info(), range.value(), extent.value()})) return false;
    at = range.value().end();
  }
  return true;
}

void CompareWithPeer(std::string_view format, std::string_view library, std::span<const std::uint8_t> input,
                     bool (*mend)(SparseStorage&), bool (*known)(const Difference&)) {
  const auto file = SparseStorage::FromInput(input);
  (void)mend(*file);
  Compare(format, library, file, known);
}

}  // namespace platter::fuzz
