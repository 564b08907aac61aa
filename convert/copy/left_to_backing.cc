#include "convert/copy/left_to_backing.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "convert/kernels/zero_scan.h"
#include "formats/core/checked.h"

namespace platter::copy {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{256} << 10;

class Comparison {
 public:
  Comparison(const Chain& backing, std::uint64_t unit, const Batch& batch)
      : backing_(backing), size_(backing.virtual_size()), unit_(unit), piece_(std::max(unit, kPiece)), batch_(batch) {}

  Result<std::vector<Run>> Settle() {
    for (const Run& run : batch_.runs) {
      if (run.kind == Run::Kind::kData) {
        PLATTER_CHECK(ForEachPart(run, piece_, [this](const Run& part) { return Compare(part); }));
      } else if (run.kind == Run::Kind::kZero) {
        PLATTER_CHECK(SettleZeros(run));
      } else {
        Append(run.kind, run.offset, run.length);
      }
    }
    return std::move(runs_);
  }

 private:
  void Append(Run::Kind kind, std::uint64_t offset, std::uint64_t length) {
    if (!runs_.empty() && runs_.back().kind == kind) {
      runs_.back().length += length;
    } else {
      runs_.push_back({kind, offset, length});
    }
  }

  // Zeros are long: where the backing file's map says the same, nothing is read.
  Result<> SettleZeros(const Run& run) {
    for (std::uint64_t at = run.offset; at < run.end();) {
      const std::uint64_t zeros = PLATTER_TRY(ZerosBelow(at, run.end() - at));
      const std::uint64_t length = zeros != 0 ? zeros : std::min(run.end() - at, piece_ - at % piece_);
      if (zeros != 0) {
        Append(Run::Kind::kBacking, at, length);
      } else {
        PLATTER_CHECK(Compare({Run::Kind::kZero, at, length}));
      }
      at += length;
    }
    return Done{};
  }

  // How many of `length` bytes, in whole units, are zeros by the backing file's map.
  Result<std::uint64_t> ZerosBelow(std::uint64_t at, std::uint64_t length) const {
    if (at >= size_) return length;
    const Extent extent = PLATTER_TRY(backing_.MapJoined(at, std::min(length, size_ - at)));
    if (extent.status == BlockStatus::kData) return std::uint64_t{0};
    if (at + extent.length >= size_ || extent.length >= length) return length;
    return AlignDown(extent.length, unit_);
  }

  Result<> Compare(const Run& part) {
    below_.assign(part.length, std::byte{0});
    if (part.offset < size_) {
      const std::uint64_t there = std::min(part.length, size_ - part.offset);
      PLATTER_CHECK(backing_.ReadAt(part.offset, std::span(below_).first(there)));
    }
    return ForEachPart(part, unit_, [this, &part](const Run& one) -> Result<> {
      const auto below = std::span<const std::byte>(below_).subspan(one.offset - part.offset, one.length);
      const bool same = one.kind == Run::Kind::kZero
                            ? kernels::IsZero(below)
                            : std::ranges::equal(below, batch_.bytes.subspan(one.offset - batch_.offset, one.length));
      Append(same ? Run::Kind::kBacking : one.kind, one.offset, one.length);
      return Done{};
    });
  }

  const Chain& backing_;
  std::uint64_t size_;  // guest bytes of it
  std::uint64_t unit_;
  std::uint64_t piece_;  // is compared at once; a multiple of the unit
  const Batch& batch_;
  std::vector<Run> runs_;
  std::vector<std::byte> below_;
};

}  // namespace

Result<> LeaveToBacking(const Chain& backing, std::uint64_t unit, Batch& batch) {
  batch.runs = PLATTER_TRY(Comparison(backing, unit, batch).Settle());
  return Done{};
}

}  // namespace platter::copy
