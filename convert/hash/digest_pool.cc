#include "convert/hash/digest_pool.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "convert/hash/block_digester.h"
#include "convert/kernels/md5_sha512.h"

namespace platter {

using kernels::LaneDigest;

Result<std::shared_ptr<DigestPool>> DigestPool::Make(unsigned threads) {
  std::shared_ptr<DigestPool> pool(new DigestPool);
  PLATTER_CHECK(pool->StartThreads(std::max(threads, 1U)));
  return pool;
}

Result<> DigestPool::StartThreads(unsigned threads) {
  try {
    while (threads_.size() < threads) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error& error) {
    if (threads_.empty()) return Error::FromErrno(error.code().value(), "starting a thread that hashes");
  }
  return Done{};
}

DigestPool::~DigestPool() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Finds out, once, how this CPU is best at an algorithm.
Result<> DigestPool::Prepare(DigestAlgorithm algorithm) {
  const auto lanes = hash::LanesOf(algorithm);
  const std::lock_guard lock(mutex_);
  Queue& queue = queues_[static_cast<std::size_t>(algorithm)];
  if (!lanes || queue.fewest_for_lanes) return Done{};
  Digest digest = PLATTER_TRY(Digest::Make(algorithm));
  queue.loop = PLATTER_TRY(hash::LoadBlockLoop(*lanes));
  queue.lanes = queue.most_lanes = kernels::LaneCount(*lanes);
  queue.fewest_for_lanes = hash::FewestBlocksForLanes(digest);
  return Done{};
}

// Requires: MD5 is prepared.
void DigestPool::PrepareBoth() {
  const std::lock_guard lock(mutex_);
  Queue& queue = queues_[kBoth];
  if (queue.fewest_for_lanes) return;
  queue.loop = queues_[static_cast<std::size_t>(DigestAlgorithm::kMd5)].loop;
  queue.lanes = kernels::LaneCount(LaneDigest::kSha512);
  queue.most_lanes = kernels::LaneCount(LaneDigest::kMd5);
  queue.fewest_for_lanes = hash::FewestBlocksForLanesOfBoth();
}

Result<DigestPool::Part> DigestPool::MakePart(DigestAlgorithm algorithm) {
  Part part;
  part.algorithm = algorithm;
  part.lanes = hash::LanesOf(algorithm);
  if (part.lanes) {
    part.state = kernels::StartMessage(*part.lanes);
  } else {
    part.digest = PLATTER_TRY(Digest::Make(algorithm));
  }
  return part;
}

Result<> DigestPool::AddMember(Stream& stream, std::size_t queue, std::span<const DigestAlgorithm> algorithms) {
  Member& member = stream.members_.emplace_back();
  member.stream = &stream;
  member.queue = queue;
  for (const DigestAlgorithm algorithm : algorithms) member.parts.push_back(PLATTER_TRY(MakePart(algorithm)));
  return Done{};
}

Result<std::unique_ptr<DigestPool::Stream>> DigestPool::Open(std::span<const DigestAlgorithm> algorithms) {
  static constexpr std::array kPair = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha512};
  const auto wanted = [&](DigestAlgorithm algorithm) {
    return std::ranges::find(algorithms, algorithm) != algorithms.end();
  };
  const bool both = kernels::HasMd5Sha512() && std::ranges::all_of(kPair, wanted);
  auto stream = std::unique_ptr<Stream>(new Stream(shared_from_this(), algorithms));
  for (const DigestAlgorithm algorithm : algorithms) PLATTER_CHECK(Prepare(algorithm));
  if (both) {
    PrepareBoth();
    PLATTER_CHECK(AddMember(*stream, kBoth, kPair));
  }
  for (const DigestAlgorithm& algorithm : algorithms) {
    if (both && std::ranges::find(kPair, algorithm) != kPair.end()) continue;
    PLATTER_CHECK(AddMember(*stream, static_cast<std::size_t>(algorithm), std::span(&algorithm, 1)));
  }
  return stream;
}

void DigestPool::Enqueue(Member& member) {
  member.doing = Member::State::kWaiting;
  queues_[member.queue].members.push_back(&member);
  ++waiting_;
}

// How many of those that wait share the next pass: as many as fill its lanes.
std::size_t DigestPool::CountTogether(const Queue& queue) noexcept {
  const std::size_t waiting = queue.members.size();
  const std::size_t fewest = queue.fewest_for_lanes.value_or(0);
  if (fewest == 0 || waiting < fewest) return 1;
  return std::min({waiting, waiting < queue.most_lanes ? queue.lanes : queue.most_lanes, kMostAtOnce});
}

// Requires: some member waits.
void DigestPool::TakeBatch(std::vector<Member*>& batch) {
  while (queues_[turn_].members.empty()) turn_ = (turn_ + 1) % kQueues;
  Queue& queue = queues_[turn_];
  turn_ = (turn_ + 1) % kQueues;
  const std::size_t count = CountTogether(queue);
  const auto end = queue.members.begin() + static_cast<std::ptrdiff_t>(count);
  batch.assign(queue.members.begin(), end);
  queue.members.erase(queue.members.begin(), end);
  waiting_ -= count;
  // In lanes all go step by step; who is alone takes more at a time, and leaves half for the meantime.
  for (Member* member : batch) {
    member->doing = Member::State::kBusy;
    const std::uint64_t here = member->stream->filled_ - member->taken;
    member->at_work = count == 1 ? std::min<std::uint64_t>(here, Stream::kSlots / 2) : 1;
  }
}

void DigestPool::GiveBack(std::span<Member* const> batch) {
  for (Member* member : batch) {
    member->taken += std::exchange(member->at_work, 0);
    member->doing = Member::State::kIdle;
    if (!member->stream->abandoned_ && member->taken < member->stream->filled_) Enqueue(*member);
    Stream& stream = *member->stream;
    if (stream.abandoned_ || stream.Backlog() <= stream.awaited_) stream.freed_.notify_all();
  }
}

void DigestPool::Work() {
  std::vector<Member*> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return ended_ || waiting_ != 0; });
    if (ended_) return;
    TakeBatch(batch);
    if (waiting_ != 0) work_.notify_one();
    const Queue& queue = queues_[batch.front()->queue];
    lock.unlock();
    Hash(queue, batch);
    lock.lock();
    GiveBack(batch);
  }
}

void DigestPool::Hash(const Queue& queue, std::span<Member* const> batch) {
  if (batch.size() == 1) return HashAlone(queue, *batch.front());
  for (std::size_t part = 0; part < batch.front()->parts.size(); ++part) HashInLanes(batch, part);
  for (Member* member : batch) {
    const Stream::Slot& slot = member->stream->SlotOf(*member);
    if (slot.last) Stream::End(*member, slot);
  }
}

void DigestPool::HashInLanes(std::span<Member* const> batch, std::size_t part) {
  const LaneDigest lanes = *batch.front()->parts[part].lanes;
  std::array<kernels::MessagePiece, kMostAtOnce> pieces;
  std::size_t count = 0;
  for (Member* member : batch) {
    pieces[count++] = {member->stream->SlotOf(*member).blocks(lanes), &member->parts[part].state};
  }
  kernels::TakeInLanes(lanes, std::span(pieces).first(count));
}

void DigestPool::HashAlone(const Queue& queue, Member& member) {
  Part& part = member.parts.front();
  for (std::size_t place = 0; place < member.at_work; ++place) {
    const Stream::Slot& slot = member.stream->SlotOf(member, place);
    if (part.digest) {
      part.digest->Update(slot.content());
    } else if (member.queue == kBoth) {
      // A block of MD5's may be left.
      const auto blocks = slot.blocks(LaneDigest::kSha512);
      kernels::TakeMd5Sha512(blocks, part.state, member.parts.back().state);
      queue.loop.take({slot.blocks(LaneDigest::kMd5).subspan(blocks.size()), &part.state});
    } else {
      queue.loop.take({slot.blocks(*part.lanes), &part.state});
    }
    if (slot.last) Stream::End(member, slot);
  }
}

void DigestPool::Stream::End(Member& member, const Slot& last) {
  for (Part& part : member.parts) EndPart(part, last, member.stream->length_);
}

// The digest, once all is taken.
void DigestPool::Stream::EndPart(Part& part, const Slot& last, std::uint64_t length) {
  if (part.digest) {
    auto value = part.digest->Finish();
    if (value.ok()) {
      part.value = value.value();
    } else {
      part.error = std::move(value).error();
    }
    return;
  }
  const kernels::LaneTraits& traits = kernels::TraitsOf(*part.lanes);
  const auto content = last.content();
  part.value.size = traits.digest;
  kernels::EndMessage(*part.lanes, part.state, content.last(content.size() % traits.block), length,
                      std::span(part.value.storage).first(traits.digest));
}

std::span<const std::byte> DigestPool::Stream::Slot::content() const noexcept {
  static const std::vector<std::byte> kZeros(kSlotBytes);
  return std::span(zeros ? kZeros : bytes).first(length);
}

std::span<const std::byte> DigestPool::Stream::Slot::blocks(LaneDigest digest) const noexcept {
  return content().first(length - length % kernels::TraitsOf(digest).block);
}

std::uint64_t DigestPool::Stream::Backlog() const noexcept {
  std::uint64_t most = 0;
  for (const Member& member : members_) most = std::max(most, filled_ - member.taken);
  return most;
}

// In no queue any more, and in no thread's hands.
DigestPool::Stream::~Stream() {
  std::unique_lock lock(pool_->mutex_);
  for (Member& member : members_) {
    if (member.doing != Member::State::kWaiting) continue;
    std::erase(pool_->queues_[member.queue].members, &member);
    --pool_->waiting_;
    member.doing = Member::State::kIdle;
  }
  abandoned_ = true;
  freed_.wait(lock, [&] {
    return std::ranges::none_of(members_, [](const Member& member) { return member.doing == Member::State::kBusy; });
  });
}

void DigestPool::Stream::AwaitBacklog(std::unique_lock<std::mutex>& lock, std::uint64_t slots) {
  awaited_ = slots;
  freed_.wait(lock, [&] { return Backlog() <= slots; });
  awaited_ = kSlots;
}

DigestPool::Stream::Slot& DigestPool::Stream::FreeSlot() {
  std::unique_lock lock(pool_->mutex_);
  // To be woken for each slot would cost more than what is done with it.
  if (Backlog() == kSlots) AwaitBacklog(lock, kSlots / 2);
  return slots_[filled_ % kSlots];
}

// Hands the slot that FreeSlot returns to all members.
void DigestPool::Stream::Enqueue() {
  bool more = false;
  {
    const std::lock_guard lock(pool_->mutex_);
    length_ += slots_[filled_ % kSlots].length;
    ++filled_;
    for (Member& member : members_) {
      if (member.doing != Member::State::kIdle) continue;
      pool_->Enqueue(member);
      more = true;
    }
  }
  // Whoever has a member in its hands looks for more by itself.
  if (more) pool_->work_.notify_one();
}

std::span<std::byte> DigestPool::Stream::Buffer() {
  Slot& slot = FreeSlot();
  slot.bytes.resize(kSlotBytes);
  return std::span(slot.bytes).subspan(slot.length);
}

void DigestPool::Stream::Push(std::size_t length) {
  Slot& slot = FreeSlot();
  slot.length += length;
  if (slot.length != kSlotBytes) return;
  Enqueue();
  Slot& next = FreeSlot();
  next.length = 0;
  next.zeros = false;
}

void DigestPool::Stream::Update(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto room = Buffer();
    const std::size_t part = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), part);
    Push(part);
    bytes = bytes.subspan(part);
  }
}

void DigestPool::Stream::UpdateZeros(std::uint64_t count) {
  while (count != 0) {
    Slot& slot = FreeSlot();
    const std::uint64_t part = std::min<std::uint64_t>(count, kSlotBytes - slot.length);
    if (part == kSlotBytes) {
      slot.zeros = true;
    } else {
      std::ranges::fill(Buffer().first(part), std::byte{0});
    }
    Push(part);
    count -= part;
  }
}

DigestPool::Part& DigestPool::Stream::PartOf(DigestAlgorithm algorithm) noexcept {
  Part* found = nullptr;
  for (Member& member : members_) {
    for (Part& part : member.parts) {
      if (part.algorithm == algorithm) found = &part;
    }
  }
  return *found;
}

Result<std::vector<DigestValue>> DigestPool::Stream::Finish() {
  FreeSlot().last = true;
  Enqueue();
  std::unique_lock lock(pool_->mutex_);
  AwaitBacklog(lock, 0);
  std::vector<DigestValue> values;
  for (const DigestAlgorithm algorithm : algorithms_) {
    Part& part = PartOf(algorithm);
    if (part.error) return std::move(*part.error);
    values.push_back(part.value);
  }
  return values;
}

}  // namespace platter
