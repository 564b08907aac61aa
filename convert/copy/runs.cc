#include "convert/copy/runs.h"

#include <algorithm>

#include "convert/kernels/zero_scan.h"
#include "formats/core/checked.h"

namespace platter::copy {
namespace {

Run::Kind KindOf(Segment::Kind kind) {
  switch (kind) {
    case Segment::Kind::kData:
      return Run::Kind::kData;
    case Segment::Kind::kZero:
      return Run::Kind::kZero;
    case Segment::Kind::kBacking:
      return Run::Kind::kBacking;
  }
  return Run::Kind::kData;
}

void Append(std::vector<Run>& runs, Run::Kind kind, std::uint64_t offset, std::uint64_t length) {
  if (!runs.empty() && runs.back().kind == kind) {
    runs.back().length += length;
  } else {
    runs.push_back({kind, offset, length});
  }
}

class RunBuilder {
 public:
  RunBuilder(const Window& window, const RunRules& rules, std::span<std::byte> bytes, std::vector<Run>& runs)
      : window_(window), rules_(rules), bytes_(bytes), runs_(runs), segment_(window.segments.begin()) {}

  Result<> Build() {
    runs_.clear();
    std::uint64_t at = window_.offset;
    while (at < window_.end()) {
      while (segment_->end() <= at) ++segment_;
      const std::uint64_t block_end = EndOf(at, rules_.granularity);
      if (segment_->end() >= block_end) {
        at = AddWhole(at);
      } else {
        PLATTER_CHECK(AddMixed(at, block_end));
        at = block_end;
      }
    }
    return Done{};
  }

 private:
  using SegmentIterator = std::vector<Segment>::const_iterator;

  // Where the aligned block around `at` ends, at the window's end at the latest.
  std::uint64_t EndOf(std::uint64_t at, std::uint64_t block) const {
    return std::min(AlignDown(at, block) + block, window_.end());
  }
  std::span<std::byte> Bytes(std::uint64_t from, std::uint64_t to) const {
    return bytes_.subspan(from - window_.offset, to - from);
  }

  // All blocks from `at` on that lie in the current segment alone; returns where they end.
  std::uint64_t AddWhole(std::uint64_t at) {
    const bool to_window_end = segment_->end() >= window_.end();
    const std::uint64_t end = to_window_end ? window_.end() : AlignDown(segment_->end(), rules_.granularity);
    const Run::Kind kind = KindOf(segment_->kind);
    if (kind == Run::Kind::kZero && rules_.zeros_are_data) {
      std::ranges::fill(Bytes(at, end), std::byte{0});
      Append(runs_, Run::Kind::kData, at, end - at);
    } else if (kind != Run::Kind::kData || !rules_.scan || segment_->unseen()) {
      Append(runs_, kind, at, end - at);
    } else {
      for (std::uint64_t block = at; block < end;) {
        const std::uint64_t block_end = std::min(EndOf(block, rules_.granularity), end);
        const bool zero = kernels::IsZero(Bytes(block, block_end));
        Append(runs_, zero ? Run::Kind::kZero : Run::Kind::kData, block, block_end - block);
        block = block_end;
      }
    }
    return end;
  }

  // A block that several segments share: unit by unit. It is data as a whole or its data is all zeros.
  Result<> AddMixed(std::uint64_t begin, std::uint64_t end) {
    units_.clear();
    bool dirty = !rules_.scan;
    for (std::uint64_t at = begin; at < end;) {
      const std::uint64_t unit_end = std::min(EndOf(at, rules_.unit), end);
      const Run::Kind kind = PLATTER_TRY(UnitKind(at, unit_end));
      if (kind == Run::Kind::kData && !dirty) dirty = HasUnseen(at, unit_end) || !kernels::IsZero(Bytes(at, unit_end));
      Append(units_, kind, at, unit_end - at);
      at = unit_end;
    }
    for (const Run& unit : units_) {
      const bool zero = unit.kind == Run::Kind::kData && !dirty;
      Append(runs_, zero ? Run::Kind::kZero : unit.kind, unit.offset, unit.length);
    }
    return Done{};
  }

  // Requires: `begin` lies in the current segment.
  bool HasUnseen(std::uint64_t begin, std::uint64_t end) const {
    for (SegmentIterator part = segment_; part != window_.segments.end() && part->offset < end; ++part) {
      if (part->unseen() && part->end() > begin) return true;
    }
    return false;
  }

  Result<Run::Kind> UnitKind(std::uint64_t begin, std::uint64_t end) {
    while (segment_->end() <= begin) ++segment_;
    const bool shared = segment_->end() < end;
    const bool written_zeros = segment_->kind == Segment::Kind::kZero && rules_.zeros_are_data;
    if (!shared && !written_zeros) return KindOf(segment_->kind);
    for (SegmentIterator part = segment_; part != window_.segments.end() && part->offset < end; ++part) {
      const std::uint64_t from = std::max(part->offset, begin);
      PLATTER_CHECK(Complete(*part, Bytes(from, std::min(part->end(), end)), from));
    }
    return Run::Kind::kData;
  }

  Result<> Complete(const Segment& part, std::span<std::byte> out, std::uint64_t guest_offset) const {
    if (part.kind == Segment::Kind::kData) return Done{};
    std::ranges::fill(out, std::byte{0});
    if (part.kind == Segment::Kind::kZero || rules_.rest == nullptr) return Done{};
    const std::uint64_t rest_end = rules_.rest->virtual_size();
    if (guest_offset >= rest_end) return Done{};
    return rules_.rest->ReadAt(guest_offset, out.first(std::min<std::uint64_t>(out.size(), rest_end - guest_offset)));
  }

  const Window& window_;
  const RunRules& rules_;
  std::span<std::byte> bytes_;
  std::vector<Run>& runs_;
  std::vector<Run> units_;
  SegmentIterator segment_;
};

}  // namespace

Result<> BuildRuns(const Window& window, const RunRules& rules, std::span<std::byte> bytes, std::vector<Run>& runs) {
  return RunBuilder(window, rules, bytes, runs).Build();
}

bool NeedsBytes(const Window& window, std::uint64_t unit) {
  const auto ends_inside_a_unit = [&](const Segment& segment) {
    return segment.end() != window.end() && !IsAligned(segment.end(), unit);
  };
  return window.has_data || std::ranges::any_of(window.segments, ends_inside_a_unit);
}

}  // namespace platter::copy
