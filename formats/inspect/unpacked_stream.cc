#include "formats/inspect/unpacked_stream.h"

#include <algorithm>
#include <utility>

#include "formats/containers/codec/unpacked_storage.h"
#include "formats/core/checked.h"

namespace platter::inspect {
namespace {

// The decoder goes from one multiple of this to the next: which bytes are here when a look is taken depends on nothing
// else.
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

UnpackedStream::UnpackedStream(const std::string& name, codec::Compression compression)
    : window_(std::make_shared<StreamWindow>(name)), decoder_(codec::MakeDecoder(compression)), piece_(kPiece) {}

void UnpackedStream::Append(std::span<const std::byte> stored) {
  stored_ += stored.size();
  if (decoder_ == nullptr) return;
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_at_));
  pending_at_ = 0;
  pending_.insert(pending_.end(), stored.begin(), stored.end());
}

Result<> UnpackedStream::CheckSize() const {
  const std::uint64_t stored = stored_ended_ ? stored_ : taken_;
  const std::uint64_t on_top = (stored_ended_ ? 1 : kPatience) * codec::kOnTopOfUploads;
  if (made() <= codec::MostUnpacked(stored, on_top)) return Done{};
  return codec::TooLarge(stored, on_top);
}

Result<bool> UnpackedStream::Turn() {
  // Up to the last whole unit; all of it when nothing follows.
  const std::uint64_t end = stored_ended_ ? stored_ : AlignDown(stored_, kUnit);
  const std::size_t here = end <= taken_ ? 0 : static_cast<std::size_t>(end - taken_);
  const auto in = std::span(pending_).subspan(pending_at_, here);
  const auto room = std::min<std::uint64_t>(piece_.size(), window_->next_look() - window_->position());
  const codec::Step step = PLATTER_TRY(decoder_->Decode(in, std::span(piece_).first(room)));
  pending_at_ += step.taken;
  taken_ += step.taken;
  window_->Append(std::span(piece_).first(step.made));
  PLATTER_CHECK(CheckSize());
  if (step.taken != 0 || step.made != 0) return true;
  if (stored_ended_) {
    PLATTER_CHECK(decoder_->End());
    End();
  }
  return false;
}

void UnpackedStream::End() {
  window_->Finish();
  decoder_ = nullptr;
  pending_ = {};
  pending_at_ = 0;
}

bool UnpackedStream::Advance() {
  while (decoder_ != nullptr) {
    const auto turned = Turn();
    if (!turned.ok()) {
      damage_ = StreamFinding(turned.error());
      End();
      return true;
    }
    if (!turned.value()) return decoder_ == nullptr;
    if (window_->position() == window_->next_look()) return true;
  }
  return false;
}

}  // namespace platter::inspect
