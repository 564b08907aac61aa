#include "convert/copy/in_kernel.h"

#include <algorithm>
#include <array>
#include <optional>

#include "formats/core/checked.h"
#include "formats/core/storage.h"

namespace platter::copy {
namespace {

// Sharing costs the host one transaction whatever the length, about what copying this many bytes does.
constexpr std::uint64_t kLeastShared = std::uint64_t{64} << 10;

Segment PartOf(const Segment& segment, GuestSpan range, std::optional<HostMove> move) {
  Segment part = segment;
  part.offset = range.begin;
  part.length = range.end - range.begin;
  part.source_offset += range.begin - segment.offset;
  if (part.host) part.host->offset += range.begin - segment.offset;
  part.move = move;
  return part;
}

GuestSpan Intersection(const Segment& segment, GuestSpan range) {
  const std::uint64_t begin = std::clamp(range.begin, segment.offset, segment.end());
  return {begin, std::clamp(range.end, begin, segment.end())};
}

// What of the segment lies in a file of the host, verbatim: the last sector of an odd-sized file is not all there.
GuestSpan Verbatim(const Segment& segment) {
  const GuestSpan none{segment.offset, segment.offset};
  if (segment.kind != Segment::Kind::kData || !segment.host || segment.host->file->fd() < 0) return none;
  const std::uint64_t size = segment.host->file->size();
  if (size <= segment.host->offset) return none;
  return {segment.offset, segment.offset + std::min(segment.length, size - segment.host->offset)};
}

// What of the range lies on whole blocks of `unit` bytes, both in the target and in the segment's file, and is worth
// being shared.
GuestSpan SharedPart(const Segment& segment, GuestSpan range, std::uint64_t unit) {
  const GuestSpan none{range.begin, range.begin};
  if (unit == 0 || !IsAligned(segment.host->offset - segment.offset, unit)) return none;
  const auto begin = CheckedAlignUp(range.begin, unit);
  if (!begin || *begin >= range.end) return none;
  const std::uint64_t end = std::max(*begin, AlignDown(range.end, unit));
  return end - *begin < kLeastShared ? none : GuestSpan{*begin, end};
}

bool MoveInHost(const Segment& segment, std::uint64_t skip, std::uint64_t length, const HostWrite& write,
                std::uint64_t done) {
  const HostSpot& from = *segment.host;
  if (*segment.move == HostMove::kReflink) {
    return write.file->Reflink(*from.file, from.offset + skip, write.offset + done, length);
  }
  return write.file->CopyInHost(*from.file, from.offset + skip, write.offset + done, length);
}

bool IsPayload(const Batch& batch, const HostWrite& write) {
  return !write.bytes.empty() && write.bytes.data() >= batch.bytes.data() &&
         write.bytes.data() + write.bytes.size() <= batch.bytes.data() + batch.bytes.size();
}

// One write of the guest bytes from `guest_offset` on, segment by segment; what is not the host's to move goes to
// `rest`.
bool MoveParts(const Window& window, std::uint64_t guest_offset, const HostWrite& write, std::vector<HostWrite>& rest) {
  auto segment = std::ranges::upper_bound(window.segments, guest_offset, {}, &Segment::end);
  bool joins = false;  // the last of `rest` ends where the next part begins
  for (std::uint64_t done = 0; done < write.bytes.size(); ++segment) {
    const std::uint64_t skip = guest_offset + done - segment->offset;
    const std::uint64_t part = std::min(segment->length - skip, write.bytes.size() - done);
    if (segment->move) {
      if (!MoveInHost(*segment, skip, part, write, done)) return false;
    } else if (joins) {
      rest.back().bytes = {rest.back().bytes.data(), rest.back().bytes.size() + part};
    } else {
      rest.push_back({.file = write.file, .offset = write.offset + done, .bytes = write.bytes.subspan(done, part)});
    }
    joins = !segment->move;
    done += part;
  }
  return true;
}

}  // namespace

HostMoves::HostMoves(const Storage* reflink_target, const WriterTraits& traits, bool copies)
    : target_(reflink_target), looked_at_(traits.looked_at), copies_(copies) {
  const std::uint64_t unit = target_ == nullptr ? 0 : target_->ReflinkUnit(*target_);
  shares_ = unit != 0 && IsAligned(traits.host_alignment, unit);
}

std::uint64_t HostMoves::ReflinkUnitOf(const Storage& source) {
  if (!shares_.load(std::memory_order_relaxed)) return 0;
  const std::lock_guard lock(units_mutex_);
  const auto known = std::ranges::find(units_, &source, &std::pair<const Storage*, std::uint64_t>::first);
  if (known != units_.end()) return known->second;
  return units_.emplace_back(&source, target_->ReflinkUnit(source)).second;
}

void HostMoves::Mark(Window& window) {
  if (!possible()) return;
  std::vector<Segment> cut;
  cut.reserve(window.segments.size() + 4);
  for (const Segment& segment : window.segments) Cut(segment, cut);
  window.segments = std::move(cut);
}

void HostMoves::Cut(const Segment& segment, std::vector<Segment>& out) {
  std::uint64_t done = segment.offset;
  const auto add = [&](std::uint64_t end, std::optional<HostMove> move) {
    if (end <= done) return;
    out.push_back(PartOf(segment, {done, end}, move));
    done = end;
  };
  const GuestSpan there = Verbatim(segment);
  const GuestSpan seen = Intersection(segment, looked_at_);
  const std::optional<HostMove> otherwise = copies_ ? std::optional(HostMove::kCopy) : std::nullopt;
  for (const GuestSpan range : std::array{GuestSpan{there.begin, std::min(there.end, seen.begin)},
                                          GuestSpan{std::max(there.begin, seen.end), there.end}}) {
    if (range.end <= range.begin) continue;
    const GuestSpan shared = SharedPart(segment, range, ReflinkUnitOf(*segment.host->file));
    add(range.begin, std::nullopt);
    add(shared.begin, otherwise);
    add(shared.end, HostMove::kReflink);
    add(range.end, otherwise);
  }
  add(segment.end(), std::nullopt);
}

bool HostMoves::CarryOut(Window& window, Batch& batch) {
  if (std::ranges::none_of(window.segments, [](const Segment& segment) { return segment.move.has_value(); }))
    return true;
  std::vector<HostWrite> rest;
  for (const HostWrite& write : batch.writes) {
    if (!IsPayload(batch, write)) {
      rest.push_back(write);
      continue;
    }
    const auto in_batch = static_cast<std::uint64_t>(write.bytes.data() - batch.bytes.data());
    if (MoveParts(window, batch.offset + in_batch, write, rest)) continue;
    for (Segment& segment : window.segments) {
      if (segment.move == HostMove::kReflink) shares_ = false;
      segment.move.reset();
    }
    return false;
  }
  batch.writes = std::move(rest);
  return true;
}

}  // namespace platter::copy
