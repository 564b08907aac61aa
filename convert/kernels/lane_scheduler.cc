// Messages of any lengths on a fixed number of lanes.
#include <algorithm>
#include <array>
#include <cstdint>

#include "convert/kernels/digest_lanes.h"
#include "convert/kernels/digest_padding.h"
#include "convert/kernels/lane_kernels.h"

namespace platter::kernels {
namespace {

// In the order of the enumeration.
constexpr std::array kTraits = {LaneTraits{64, 4, 4, 16}, LaneTraits{64, 4, 5, 20},  LaneTraits{64, 4, 8, 28},
                                LaneTraits{64, 4, 8, 32}, LaneTraits{128, 8, 8, 48}, LaneTraits{128, 8, 8, 64}};

void Compress(LaneDigest digest, const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept {
  switch (digest) {
    case LaneDigest::kMd5:
      return Md5Lanes(data, state, blocks);
    case LaneDigest::kSha1:
      return Sha1Lanes(data, state, blocks);
    default:
      return Sha256Lanes(data, state, blocks);
  }
}
void Compress(LaneDigest /*digest*/, const std::uint8_t* const* data, std::uint64_t* state,
              std::size_t blocks) noexcept {
  Sha512Lanes(data, state, blocks);
}

// A lane has a message's whole blocks first, then its padded end, then the next message.
template <class Word>
class Scheduler {
 public:
  Scheduler(LaneDigest digest, std::span<const Message> messages, std::byte* out) noexcept
      : digest_(digest), block_(TraitsOf(digest).block), width_(LaneCount(digest)), messages_(messages), out_(out) {}

  void Run() noexcept {
    for (std::size_t i = 0; i < width_; ++i) Refill(i);
    while (const std::size_t blocks = Shortest()) {
      LendData();
      Compress(digest_, data_.data(), state_.data(), blocks);
      for (std::size_t i = 0; i < width_; ++i) {
        if (lanes_[i].blocks != 0) Advance(i, blocks);
      }
    }
  }

 private:
  struct Lane {
    std::size_t message = 0;
    std::size_t blocks = 0;  // left at data_[lane]; 0: the lane has no message
    bool at_end = false;     // they are the padded ones
    LastBlocks last;
  };

  // Starts the next message in lane `index`, when there is one.
  void Refill(std::size_t index) noexcept {
    Lane& lane = lanes_[index];
    lane.blocks = 0;
    if (next_ == messages_.size()) return;
    lane.message = next_++;
    const Message message = messages_[lane.message];
    Pad(digest_, message, lane.last);
    const std::span<const Word> start = StartOf<Word>(digest_);
    for (std::size_t i = 0; i < start.size(); ++i) state_[i * width_ + index] = start[i];
    lane.blocks = message.size() / block_;
    lane.at_end = lane.blocks == 0;
    data_[index] = reinterpret_cast<const std::uint8_t*>(message.data());
    if (lane.at_end) TakeEnd(index);
  }

  void TakeEnd(std::size_t index) noexcept {
    Lane& lane = lanes_[index];
    lane.at_end = true;
    lane.blocks = lane.last.blocks;
    data_[index] = reinterpret_cast<const std::uint8_t*>(lane.last.bytes.data());
  }

  void Advance(std::size_t index, std::size_t blocks) noexcept {
    Lane& lane = lanes_[index];
    lane.blocks -= blocks;
    data_[index] += blocks * block_;
    if (lane.blocks != 0) return;
    if (!lane.at_end) return TakeEnd(index);
    WriteDigest(digest_, state_.data() + index, width_, out_ + lane.message * TraitsOf(digest_).digest);
    Refill(index);
  }

  // The blocks that all lanes with a message have; 0 when no lane has one.
  std::size_t Shortest() const noexcept {
    std::size_t shortest = 0;
    for (std::size_t i = 0; i < width_; ++i) {
      const std::size_t blocks = lanes_[i].blocks;
      if (blocks != 0 && (shortest == 0 || blocks < shortest)) shortest = blocks;
    }
    return shortest;
  }

  // A lane without a message hashes what some other one has.
  void LendData() noexcept {
    std::size_t busy = 0;
    while (lanes_[busy].blocks == 0) ++busy;
    for (std::size_t i = 0; i < width_; ++i) {
      if (lanes_[i].blocks == 0) data_[i] = data_[busy];
    }
  }

  LaneDigest digest_;
  std::size_t block_;
  std::size_t width_;
  std::span<const Message> messages_;
  std::byte* out_;
  std::size_t next_ = 0;
  std::array<const std::uint8_t*, kMostLanes> data_{};
  std::array<Word, kMostStateWords * kMostLanes> state_{};
  std::array<Lane, kMostLanes> lanes_;
};

}  // namespace

const LaneTraits& TraitsOf(LaneDigest digest) noexcept { return kTraits[static_cast<std::size_t>(digest)]; }

std::size_t LaneCount(LaneDigest digest) noexcept { return TraitsOf(digest).word == 4 ? LaneCount32() : LaneCount64(); }

void HashInLanes(LaneDigest digest, std::span<const Message> messages, std::span<std::byte> out) noexcept {
  if (TraitsOf(digest).word == 4) {
    Scheduler<std::uint32_t>(digest, messages, out.data()).Run();
  } else {
    Scheduler<std::uint64_t>(digest, messages, out.data()).Run();
  }
}

}  // namespace platter::kernels
