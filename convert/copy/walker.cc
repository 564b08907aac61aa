#include "convert/copy/walker.h"

#include <algorithm>

#include "convert/copy/holes.h"
#include "formats/core/checked.h"

namespace platter::copy {
namespace {

// How many extents are joined before others get their turn at the walker.
constexpr int kJoinAtOnce = 65536;

bool Joins(const Segment& a, const Segment& b) {
  if (a.kind != b.kind || a.end() != b.offset) return false;
  if (a.kind != Segment::Kind::kData) return true;
  if (a.packed != b.packed || a.source != b.source || a.depth != b.depth ||
      a.source_offset + a.length != b.source_offset)
    return false;
  if (a.host.has_value() != b.host.has_value()) return false;
  return !a.host || (a.host->file == b.host->file && a.host->offset + a.length == b.host->offset);
}

}  // namespace

Walker::Walker(std::span<const Chain* const> sources, const WalkRules& rules)
    : sources_(sources.begin(), sources.end()), rules_(rules) {
  for (std::size_t source = 0; source < sources_.size(); ++source) sources_end_ += RoomOf(source);
  const std::uint64_t aligned = CheckedAlignUp(sources_end_, rules_.alignment).value_or(sources_end_);
  total_ = std::max(sources_end_, std::min(aligned, rules_.target_size));
}

// Guest bytes of the target.
std::uint64_t Walker::RoomOf(std::size_t source) const {
  const std::uint64_t size = sources_[source]->virtual_size();
  return source + 1 == sources_.size() ? size : AlignUp(size, kSectorSize);
}

Segment Walker::Classify(const Chain& source, const Extent& extent) const {
  Segment segment{.offset = source_start_ + extent.offset, .length = extent.length};
  const bool unallocated = extent.status == BlockStatus::kUnallocated;
  if (extent.status == BlockStatus::kData) {
    segment.kind = Segment::Kind::kData;
    segment.source = &source;
    segment.depth = extent.depth;
    segment.source_offset = extent.offset;
    if (rules_.keep_host_spots && !extent.compressed) segment.host = extent.host;
    MarkPacked(extent, segment);
  } else if (rules_.layers_above != 0) {
    // Behind the end of what is below it the source reads as zero, whatever the target's backing file holds there.
    const bool covered = unallocated && source.depth() > rules_.layers_above;
    const std::uint64_t below = covered ? source.layer(rules_.layers_above).info().virtual_size : 0;
    const bool past_backing = segment.offset >= rules_.backing_size;
    if (extent.offset < below || past_backing) segment.kind = Segment::Kind::kBacking;
    if (extent.offset < below) segment.length = std::min(segment.length, below - extent.offset);
    if (!past_backing) segment.length = std::min(segment.length, rules_.backing_size - segment.offset);
  }
  return segment;
}

void Walker::MarkPacked(const Extent& extent, Segment& segment) const {
  if (!rules_.packing || !extent.compressed) return;
  const std::uint64_t unit = rules_.packing->unit;
  // The disk's last unit is packed with more than the disk has.
  const bool whole = IsAligned(segment.offset | segment.source_offset, unit) && segment.length >= unit;
  if (!whole || segment.source->layer(segment.depth).packing() != rules_.packing) return;
  segment.length = AlignDown(segment.length, unit);
  segment.packed = true;
}

Segment Walker::Unmappable(const Chain& source, std::uint64_t at, const Error& error) {
  rules_.on_map_error(mapped_, error);
  // A cluster at a time, of the layer that has the smallest: no driver's metadata is finer.
  std::uint64_t unit = 0;
  for (std::size_t depth = 0; depth < source.depth(); ++depth) {
    const std::uint64_t cluster = source.layer(depth).info().allocation_unit;
    if (cluster != 0) unit = unit == 0 ? cluster : std::min(unit, cluster);
  }
  unit = std::max<std::uint64_t>(unit, 512);
  const std::uint64_t end =
      std::min(CheckedAlignUp(at + 1, unit).value_or(source.virtual_size()), source.virtual_size());
  return Segment{.offset = mapped_, .length = end - at};
}

Segment Walker::TailSegment() const {
  Segment segment{.offset = mapped_, .length = total_ - mapped_};
  if (rules_.tail == nullptr) return segment;
  segment.kind = Segment::Kind::kData;
  segment.source = rules_.tail;
  segment.depth = rules_.tail->depth();
  segment.source_offset = mapped_;
  return segment;
}

Result<Segment> Walker::MapNext() {
  while (source_ < sources_.size() && mapped_ - source_start_ == RoomOf(source_)) {
    source_start_ = mapped_;
    ++source_;
  }
  if (source_ == sources_.size()) return TailSegment();
  const Chain& source = *sources_[source_];
  const std::uint64_t at = mapped_ - source_start_;
  if (at >= source.virtual_size()) return Segment{.offset = mapped_, .length = RoomOf(source_) - at};
  const std::size_t layers = rules_.layers_above == 0 ? source.depth() : rules_.layers_above;
  auto extent = source.MapAbove(layers, at, source.virtual_size() - at);
  if (extent.ok()) {
    PLATTER_CHECK(LookThroughHoles(source, extent.value()));
    return Classify(source, extent.value());
  }
  if (!rules_.on_map_error) return std::move(extent).error();
  return Unmappable(source, at, extent.error());
}

// Leaves in `pending_` the next stretch, joined with what continues it.
Result<> Walker::Refill() {
  if (pending_ && pending_->length != 0 && pending_->kind == Segment::Kind::kData) return Done{};
  if (pending_ && pending_->length != 0 && lookahead_) return Done{};
  if (!pending_ || pending_->length == 0) {
    pending_ = std::exchange(lookahead_, std::nullopt);
    if (!pending_) {
      pending_ = PLATTER_TRY(MapNext());
      mapped_ = pending_->end();
    }
  }
  if (pending_->kind == Segment::Kind::kData) return Done{};
  for (int joined = 0; joined < kJoinAtOnce && mapped_ < total_ && !lookahead_; ++joined) {
    if (pending_->length >= rules_.longest_zero) break;
    if (rules_.cancel != nullptr && rules_.cancel->load(std::memory_order_relaxed)) break;
    const Segment next = PLATTER_TRY(MapNext());
    mapped_ = next.end();
    if (Joins(*pending_, next)) {
      pending_->length += next.length;
    } else {
      lookahead_ = next;
    }
  }
  return Done{};
}

// True when `pending_` is long enough, from `from` on, for a window of its own that needs no buffer.
bool Walker::MakesWindow(std::uint64_t from) const {
  if (pending_->kind == Segment::Kind::kData) return false;
  if (pending_->kind == Segment::Kind::kZero && rules_.zeros_are_data) return false;
  if (pending_->end() == total_) return true;
  const std::uint64_t end = AlignDown(pending_->end(), rules_.alignment);
  return end > from && end - from >= rules_.window_bytes;
}

void Walker::Take(Window& window, std::uint64_t length) {
  Segment part = *pending_;
  part.length = length;
  if (!window.segments.empty() && Joins(window.segments.back(), part)) {
    window.segments.back().length += length;
  } else {
    window.segments.push_back(part);
  }
  const bool materialised = part.kind == Segment::Kind::kZero && rules_.zeros_are_data;
  window.has_data = window.has_data || part.kind == Segment::Kind::kData || materialised;
  window.length += length;
  pending_->offset += length;
  pending_->length -= length;
  pending_->source_offset += length;
  if (pending_->host) pending_->host->offset += length;
}

Result<bool> Walker::Next(Window& window) {
  window.ticket = next_ticket_;
  window.segments.clear();
  window.length = 0;
  window.has_data = false;
  window.offset = pending_ && pending_->length != 0 ? pending_->offset : (lookahead_ ? lookahead_->offset : mapped_);
  while (window.end() < total_ && window.length < rules_.window_bytes) {
    PLATTER_CHECK(Refill());
    const bool aligned = IsAligned(window.end(), rules_.alignment);
    if (aligned && MakesWindow(window.end())) {
      if (window.length != 0) break;
      const bool last = pending_->end() == total_;
      const std::uint64_t end = last ? total_ : AlignDown(pending_->end(), rules_.alignment);
      Take(window, std::min(end - window.offset, rules_.longest_zero));
      break;
    }
    std::uint64_t limit = rules_.window_bytes - window.length;
    if (!aligned && pending_->kind != Segment::Kind::kData) {
      limit = std::min(limit, AlignUp(window.end(), rules_.alignment) - window.end());
    }
    Take(window, std::min(pending_->length, limit));
  }
  if (window.length == 0) return false;
  ++next_ticket_;
  return true;
}

}  // namespace platter::copy
