#include "formats/inspect/unpacked_stream.h"

#include <algorithm>
#include <utility>

#include "formats/containers/codec/unpacked_storage.h"
#include "formats/core/checked.h"

namespace platter::inspect {
namespace {

// The decoder gets what is stored from one multiple of this to the next, whole, and nothing before it has given all
// that it made of the last: what it makes, and where it stops at damage, depends on nothing else.
constexpr std::uint64_t kUnit = std::uint64_t{4} << 10;
constexpr std::size_t kPiece = std::size_t{64} << 10;
// While the stream goes on nobody knows its length: disks may well begin with zeros.
constexpr std::uint64_t kPatience = 16;

}  // namespace

Finding StreamFinding(const Error& error) {
  Finding finding = FindingOf("compressed", codec::kFindingRules, error);
  if (finding.code != "compressed.bomb") return finding;
  finding.concern = Concern::kSize;
  finding.severity = SeverityOf(finding.concern);
  return finding;
}

UnpackedStream::UnpackedStream(const std::string& name, codec::Compression compression, MemoryBudget* memory)
    : window_(std::make_shared<StreamWindow>(name)),
      decoder_(codec::MakeDecoder(compression, memory)),
      piece_(kPiece) {}

void UnpackedStream::Append(std::span<const std::byte> stored) {
  stored_ += stored.size();
  if (decoder_ == nullptr) return;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_at_));
  pending_at_ = 0;
  pending_.insert(pending_.end(), stored.begin(), stored.end());
}

Result<> UnpackedStream::CheckSize() const {
  const std::uint64_t stored = total_.value_or(taken_);
  const codec::Bound bound{.on_top = (total_ ? 1 : kPatience) * codec::kOnTopOfUploads};
  if (made() <= codec::MostUnpacked(stored, bound)) return Done{};
  return codec::TooLarge(stored, bound);
}

std::optional<std::size_t> UnpackedStream::PartOfUnit() const {
  const std::uint64_t unit = dry_ ? AlignDown(taken_, kUnit) + kUnit : AlignUp(taken_, kUnit);
  if (unit <= stored_) return static_cast<std::size_t>(unit - taken_);
  if (stored_ended_ && !(dry_ && taken_ == stored_)) return static_cast<std::size_t>(stored_ - taken_);
  return std::nullopt;
}

Result<bool> UnpackedStream::Turn() {
  const std::optional<std::size_t> here = PartOfUnit();
  if (!here) {
    if (stored_ended_) PLATTER_CHECK(decoder_->End());
    if (stored_ended_) End();
    return false;
  }
  const auto in = std::span(pending_).subspan(pending_at_, *here);
  const auto room = std::min<std::uint64_t>(piece_.size(), window_->next_look() - window_->position());
  const codec::Step step = PLATTER_TRY(decoder_->Decode(in, std::span(piece_).first(room)));
  pending_at_ += step.taken;
  taken_ += step.taken;
  window_->Append(std::span(piece_).first(step.made));
  PLATTER_CHECK(CheckSize());
  dry_ = step.taken == 0 && step.made == 0;
  if (dry_ && !in.empty()) return Error(ErrorKind::kCorrupt, "a stream stands still").At("compressed stream", "data");
  return true;
}

void UnpackedStream::End() {
  window_->Finish();
  decoder_ = nullptr;
  pending_ = {};
  pending_at_ = 0;
}

bool UnpackedStream::Advance() {
  while (decoder_ != nullptr) {
    const std::uint64_t look = window_->next_look();
    const auto turned = Turn();
    if (!turned.ok()) {
      damage_ = StreamFinding(turned.error());
      End();
      return true;
    }
    if (!turned.value()) return decoder_ == nullptr;
    if (window_->position() == look) return true;
  }
  return false;
}

}  // namespace platter::inspect
