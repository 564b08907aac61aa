#include "convert/compare/compare.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "convert/copy/buffer.h"
#include "convert/copy/holes.h"
#include "convert/kernels/zero_scan.h"

namespace platter {
namespace {

using Verdict = Comparison::Verdict;

constexpr std::uint64_t kWindowBytes = std::uint64_t{256} << 10;
// Differences are reported by the sector, as qemu-img does.
constexpr std::uint64_t kSectorSize = 512;
constexpr unsigned kMostWorkers = 16;

struct Side {
  BlockStatus status = BlockStatus::kZero;
  std::size_t depth = 0;  // the layer to read from
  bool data() const noexcept { return status == BlockStatus::kData; }
  friend bool operator==(const Side&, const Side&) = default;
};

// A stretch in which each side is of one kind and at least one has data.
struct Stretch {
  std::uint64_t offset = 0;  // guest bytes
  std::uint64_t length = 0;
  std::array<Side, 2> sides;
};

struct Piece {
  std::uint64_t ticket = 0;
  std::uint64_t end = 0;  // guest bytes: everything below is in this piece or an earlier one
  std::vector<Stretch> stretches;
};

// Walks both disks at once. For one thread at a time.
class PairWalker {
 public:
  PairWalker(const Chain& a, const Chain& b, bool strict, const std::atomic<bool>* cancel)
      : chains_{&a, &b}, strict_(strict), cancel_(cancel), total_(std::max(a.virtual_size(), b.virtual_size())) {}

  std::uint64_t total() const noexcept { return total_; }

  // Fills the next piece; false at the end. A finding ends the walk.
  bool Next(Piece& piece);
  // What Map or the strict mode found, after everything before it has been handed out.
  std::optional<Comparison> TakeFinding() { return std::exchange(finding_, std::nullopt); }

 private:
  bool MapSide(std::size_t side);
  // The strict mode is about what the image says, not about its file's holes.
  Result<> LookThrough(const Chain& chain, Extent& extent) const {
    return strict_ ? Result<>(Done{}) : copy::LookThroughHoles(chain, extent);
  }
  bool Agree() const;

  std::array<const Chain*, 2> chains_;
  bool strict_;
  const std::atomic<bool>* cancel_;
  std::uint64_t total_;
  std::uint64_t position_ = 0;
  std::uint64_t tickets_ = 0;
  std::array<Extent, 2> extents_{};  // around `position_`, or ending there
  std::optional<Comparison> finding_;
};

bool PairWalker::MapSide(std::size_t side) {
  Extent& extent = extents_[side];
  if (position_ < extent.end()) return true;
  const std::uint64_t size = chains_[side]->virtual_size();
  if (position_ >= size) {
    extent = {.offset = position_, .length = total_ - position_, .status = BlockStatus::kUnallocated};
    return true;
  }
  auto mapped = chains_[side]->Map(position_, size - position_);
  if (mapped.ok()) {
    auto looked = LookThrough(*chains_[side], mapped.value());
    if (looked.ok()) {
      extent = mapped.value();
      return true;
    }
    mapped = std::move(looked).error();
  }
  finding_ = Comparison{Verdict::kMapFailed, position_, side, std::move(mapped).error()};
  return false;
}

// As far as the strict mode cares: stored alike, not only reading alike.
bool PairWalker::Agree() const {
  const Extent& a = extents_[0];
  const Extent& b = extents_[1];
  return a.status == b.status && a.host.has_value() == b.host.has_value();
}

bool PairWalker::Next(Piece& piece) {
  piece.stretches.clear();
  if (finding_) return false;
  std::uint64_t bytes = 0;
  const std::uint64_t start = position_;
  while (position_ < total_ && bytes < kWindowBytes) {
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) break;
    if (!MapSide(0) || !MapSide(1)) break;
    if (strict_ && !Agree()) {
      finding_ = Comparison{Verdict::kStatusDiffers, position_, 0, std::nullopt};
      break;
    }
    Stretch stretch{position_, std::min(extents_[0].end(), extents_[1].end()) - position_, {}};
    for (std::size_t side = 0; side < 2; ++side) stretch.sides[side] = {extents_[side].status, extents_[side].depth};
    if (stretch.sides[0].data() || stretch.sides[1].data()) {
      stretch.length = std::min(stretch.length, kWindowBytes - bytes);
      bytes += stretch.length;
      Stretch* last = piece.stretches.empty() ? nullptr : &piece.stretches.back();
      if (last != nullptr && last->offset + last->length == stretch.offset && last->sides == stretch.sides) {
        last->length += stretch.length;
      } else {
        piece.stretches.push_back(stretch);
      }
    }
    position_ += stretch.length;
  }
  piece.end = position_;
  if (position_ == start) return false;
  piece.ticket = tickets_++;
  return true;
}

class Job {
 public:
  Job(const Chain& a, const Chain& b, const CompareOptions& options)
      : chains_{&a, &b}, options_(options), walker_(a, b, options.strict, options.cancel) {}

  Result<Comparison> Execute();

 private:
  using Buffers = std::array<copy::Buffer, 2>;

  void Work();
  bool NextPiece(Piece& piece);
  Result<std::optional<Comparison>> ComparePiece(const Piece& piece, Buffers& buffers);
  std::optional<Comparison> CompareStretch(const Stretch& stretch, std::array<std::span<std::byte>, 2> bytes);
  void Conclude(std::uint64_t ticket, Result<Comparison> result);
  bool Cancelled() const { return options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed); }

  std::array<const Chain*, 2> chains_;
  const CompareOptions& options_;
  std::mutex mutex_;  // guards what follows
  PairWalker walker_;
  std::uint64_t progress_ = 0;
  std::uint64_t concluded_at_ = ~std::uint64_t{0};
  std::optional<Result<Comparison>> conclusion_;
};

// The finding of the lowest ticket stays.
void Job::Conclude(std::uint64_t ticket, Result<Comparison> result) {
  const std::lock_guard lock(mutex_);
  if (ticket >= concluded_at_) return;
  concluded_at_ = ticket;
  conclusion_.emplace(std::move(result));
}

bool Job::NextPiece(Piece& piece) {
  const std::lock_guard lock(mutex_);
  return !conclusion_ && !Cancelled() && walker_.Next(piece);
}

// The first sector in which two equally long spans differ; their size when none does.
std::size_t FirstDifferentSector(std::span<const std::byte> a, std::span<const std::byte> b) {
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return a.size();
  const auto [in_a, in_b] = std::ranges::mismatch(a, b);
  const auto at = static_cast<std::size_t>(in_a - a.begin());
  return at - at % kSectorSize;
}

std::optional<Comparison> Job::CompareStretch(const Stretch& stretch, std::array<std::span<std::byte>, 2> bytes) {
  for (std::size_t side = 0; side < 2; ++side) {
    if (!stretch.sides[side].data()) continue;
    auto read = chains_[side]->layer(stretch.sides[side].depth).ReadAt(stretch.offset, bytes[side]);
    if (!read.ok()) return Comparison{Verdict::kReadFailed, stretch.offset, side, std::move(read).error()};
  }
  std::size_t same = 0;
  if (stretch.sides[0].data() && stretch.sides[1].data()) {
    same = FirstDifferentSector(bytes[0], bytes[1]);
  } else {
    same = kernels::FindNonZero(bytes[stretch.sides[0].data() ? 0 : 1]);
  }
  if (same == stretch.length) return std::nullopt;
  return Comparison{Verdict::kContentDiffers, stretch.offset + same - same % kSectorSize, 0, std::nullopt};
}

Result<std::optional<Comparison>> Job::ComparePiece(const Piece& piece, Buffers& buffers) {
  for (const Stretch& stretch : piece.stretches) {
    std::array<std::span<std::byte>, 2> bytes;
    for (std::size_t side = 0; side < 2; ++side) {
      if (stretch.sides[side].data()) bytes[side] = PLATTER_TRY(buffers[side].Get(stretch.length, kWindowBytes));
    }
    auto found = CompareStretch(stretch, bytes);
    if (found) return found;
  }
  return std::optional<Comparison>();
}

void Job::Work() {
  Piece piece;
  Buffers buffers;
  while (NextPiece(piece)) {
    auto compared = ComparePiece(piece, buffers);
    if (!compared.ok()) {
      return Conclude(piece.ticket, std::move(compared).error());
    }
    if (compared.value()) return Conclude(piece.ticket, *std::move(compared).value());
    const std::lock_guard lock(mutex_);
    progress_ = std::max(progress_, piece.end);
    if (options_.progress) options_.progress(progress_, walker_.total());
  }
}

Result<Comparison> Job::Execute() {
  const std::uint64_t each = 2 * kWindowBytes;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned wanted = options_.workers != 0 ? options_.workers : std::clamp(cores, 2U, kMostWorkers);
  const auto workers = std::min<std::uint64_t>(wanted, std::max<std::uint64_t>(1, options_.buffer_bytes / each));
  std::vector<std::thread> threads;
  try {
    for (std::uint64_t i = 1; i < workers; ++i) threads.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    // The host grants no more threads: those that run will do.
  }
  Work();
  for (std::thread& thread : threads) thread.join();
  if (conclusion_) return *std::exchange(conclusion_, std::nullopt);
  if (Cancelled()) return Error(ErrorKind::kCancelled, "cancelled");
  if (auto finding = walker_.TakeFinding()) return *std::move(finding);
  return Comparison{};
}

}  // namespace

Result<Comparison> Compare(const Chain& a, const Chain& b, const CompareOptions& options) {
  if (options.strict && a.virtual_size() != b.virtual_size()) {
    return Comparison{Verdict::kSizeDiffers, 0, 0, std::nullopt};
  }
  return Job(a, b, options).Execute();
}

}  // namespace platter
