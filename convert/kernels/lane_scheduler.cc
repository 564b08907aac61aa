// Messages of any lengths, and pieces of them, on a fixed number of lanes.
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

// What one lane has before it, and its words of the state.
template <class Word>
struct Lane {
  const std::uint8_t* data = nullptr;
  std::size_t blocks = 0;  // left at `data`; 0: the lane has nothing to do
  Word* state = nullptr;   // the first word, the others `stride` behind each other
  std::size_t stride = 0;
  std::size_t index = 0;  // of the message or piece
  bool at_end = false;    // of a message: `data` are the padded blocks
  LastBlocks last;
};

// Whole messages: the whole blocks first, then the padded end.
template <class Word>
class Messages {
 public:
  Messages(LaneDigest digest, std::span<const Message> messages, std::byte* out) noexcept
      : digest_(digest), messages_(messages), out_(out) {}

  // Gives the lane the next message, when there is one.
  void Start(Lane<Word>& lane) noexcept {
    if (next_ == messages_.size()) return;
    lane.index = next_++;
    const Message message = messages_[lane.index];
    Pad(digest_, message, lane.last);
    const std::span<const Word> start = StartOf<Word>(digest_);
    for (std::size_t i = 0; i < start.size(); ++i) lane.state[i * lane.stride] = start[i];
    lane.blocks = message.size() / TraitsOf(digest_).block;
    lane.at_end = false;
    lane.data = reinterpret_cast<const std::uint8_t*>(message.data());
    if (lane.blocks == 0) TakeEnd(lane);
  }
  // What comes behind the blocks that the lane is done with.
  void GoOn(Lane<Word>& lane) noexcept {
    if (!lane.at_end) return TakeEnd(lane);
    WriteDigest(digest_, lane.state, lane.stride, out_ + lane.index * TraitsOf(digest_).digest);
    Start(lane);
  }

 private:
  static void TakeEnd(Lane<Word>& lane) noexcept {
    lane.at_end = true;
    lane.blocks = lane.last.blocks;
    lane.data = reinterpret_cast<const std::uint8_t*>(lane.last.bytes.data());
  }

  LaneDigest digest_;
  std::span<const Message> messages_;
  std::byte* out_;
  std::size_t next_ = 0;
};

template <class Word>
class Pieces {
 public:
  Pieces(LaneDigest digest, std::span<const MessagePiece> pieces) noexcept
      : block_(TraitsOf(digest).block), pieces_(pieces) {}

  void Start(Lane<Word>& lane) noexcept {
    while (next_ != pieces_.size() && pieces_[next_].blocks.empty()) ++next_;
    if (next_ == pieces_.size()) return;
    lane.index = next_++;
    const MessagePiece& piece = pieces_[lane.index];
    for (std::size_t i = 0; i < kMostStateWords; ++i)
      lane.state[i * lane.stride] = static_cast<Word>((*piece.state)[i]);
    lane.blocks = piece.blocks.size() / block_;
    lane.data = reinterpret_cast<const std::uint8_t*>(piece.blocks.data());
  }
  void GoOn(Lane<Word>& lane) noexcept {
    MessageState& state = *pieces_[lane.index].state;
    for (std::size_t i = 0; i < kMostStateWords; ++i) state[i] = lane.state[i * lane.stride];
    Start(lane);
  }

 private:
  std::size_t block_;
  std::span<const MessagePiece> pieces_;
  std::size_t next_ = 0;
};

// Does the work of `Source` on all lanes.
template <class Word, class Source>
class Scheduler {
 public:
  Scheduler(LaneDigest digest, Source source) noexcept
      : digest_(digest), block_(TraitsOf(digest).block), width_(LaneCount(digest)), source_(source) {}

  void Run() noexcept {
    for (std::size_t i = 0; i < width_; ++i) {
      lanes_[i].state = state_.data() + i;
      lanes_[i].stride = width_;
      source_.Start(lanes_[i]);
    }
    while (const std::size_t blocks = Shortest()) {
      LendData();
      Compress(digest_, data_.data(), state_.data(), blocks);
      for (std::size_t i = 0; i < width_; ++i) {
        if (lanes_[i].blocks != 0) Advance(lanes_[i], blocks);
      }
    }
  }

 private:
  void Advance(Lane<Word>& lane, std::size_t blocks) noexcept {
    lane.blocks -= blocks;
    lane.data += blocks * block_;
    if (lane.blocks == 0) source_.GoOn(lane);
  }

  // The blocks that all lanes with work have; 0 when no lane has any.
  std::size_t Shortest() const noexcept {
    std::size_t shortest = 0;
    for (std::size_t i = 0; i < width_; ++i) {
      const std::size_t blocks = lanes_[i].blocks;
      if (blocks != 0 && (shortest == 0 || blocks < shortest)) shortest = blocks;
    }
    return shortest;
  }

  // A lane without work hashes what some other one has.
  void LendData() noexcept {
    std::size_t busy = 0;
    while (lanes_[busy].blocks == 0) ++busy;
    for (std::size_t i = 0; i < width_; ++i) data_[i] = lanes_[lanes_[i].blocks == 0 ? busy : i].data;
  }

  LaneDigest digest_;
  std::size_t block_;
  std::size_t width_;
  Source source_;
  std::array<const std::uint8_t*, kMostLanes> data_{};
  std::array<Word, kMostStateWords * kMostLanes> state_{};
  std::array<Lane<Word>, kMostLanes> lanes_;
};

template <class Word, class Source>
void RunOnLanes(LaneDigest digest, Source source) noexcept {
  Scheduler<Word, Source>(digest, source).Run();
}

template <class Word>
MessageState WordsOf(std::span<const Word> start) noexcept {
  MessageState state{};
  std::ranges::copy(start, state.begin());
  return state;
}

}  // namespace

const LaneTraits& TraitsOf(LaneDigest digest) noexcept { return kTraits[static_cast<std::size_t>(digest)]; }

std::size_t LaneCount(LaneDigest digest) noexcept { return TraitsOf(digest).word == 4 ? LaneCount32() : LaneCount64(); }

MessageState StartMessage(LaneDigest digest) noexcept {
  return TraitsOf(digest).word == 4 ? WordsOf(StartOf<std::uint32_t>(digest)) : WordsOf(StartOf<std::uint64_t>(digest));
}

void HashInLanes(LaneDigest digest, std::span<const Message> messages, std::span<std::byte> out) noexcept {
  if (TraitsOf(digest).word == 4) {
    RunOnLanes<std::uint32_t>(digest, Messages<std::uint32_t>(digest, messages, out.data()));
  } else {
    RunOnLanes<std::uint64_t>(digest, Messages<std::uint64_t>(digest, messages, out.data()));
  }
}

void TakeInLanes(LaneDigest digest, std::span<const MessagePiece> pieces) noexcept {
  if (TraitsOf(digest).word == 4) {
    RunOnLanes<std::uint32_t>(digest, Pieces<std::uint32_t>(digest, pieces));
  } else {
    RunOnLanes<std::uint64_t>(digest, Pieces<std::uint64_t>(digest, pieces));
  }
}

}  // namespace platter::kernels
