#include "convert/hash/digest_pool.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "convert/hash/block_digester.h"

namespace platter {

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
  Queue& queue = QueueOf(algorithm);
  if (!lanes || queue.fewest_for_lanes) return Done{};
  Digest digest = PLATTER_TRY(Digest::Make(algorithm));
  queue.loop = PLATTER_TRY(hash::LoadBlockLoop(*lanes));
  queue.fewest_for_lanes = hash::FewestBlocksForLanes(digest);
  return Done{};
}

Result<std::unique_ptr<DigestPool::Stream>> DigestPool::Open(std::span<const DigestAlgorithm> algorithms) {
  auto stream = std::unique_ptr<Stream>(new Stream(shared_from_this()));
  for (const DigestAlgorithm algorithm : algorithms) {
    PLATTER_CHECK(Prepare(algorithm));
    Member& member = stream->members_.emplace_back();
    member.stream = stream.get();
    member.algorithm = algorithm;
    member.lanes = hash::LanesOf(algorithm);
    if (member.lanes) {
      member.state = kernels::StartMessage(*member.lanes);
    } else {
      member.digest = PLATTER_TRY(Digest::Make(algorithm));
    }
  }
  return stream;
}

void DigestPool::Enqueue(Member& member) {
  member.doing = Member::State::kWaiting;
  QueueOf(member.algorithm).members.push_back(&member);
  ++waiting_;
}

// Requires: some member waits.
void DigestPool::TakeBatch(std::vector<Member*>& batch) {
  while (queues_[turn_].members.empty()) turn_ = (turn_ + 1) % kQueues;
  Queue& queue = queues_[turn_];
  turn_ = (turn_ + 1) % kQueues;
  const Member& first = *queue.members.front();
  const std::size_t fewest = queue.fewest_for_lanes.value_or(0);
  const bool together = first.lanes && fewest != 0 && queue.members.size() >= fewest;
  const std::size_t count =
      together ? std::min({queue.members.size(), kernels::LaneCount(*first.lanes), kMostAtOnce}) : 1;
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
    const Queue& queue = QueueOf(batch.front()->algorithm);
    lock.unlock();
    Hash(queue, batch);
    lock.lock();
    GiveBack(batch);
  }
}

void DigestPool::Hash(const Queue& queue, std::span<Member* const> batch) {
  if (batch.size() == 1) return HashAlone(queue, *batch.front());
  std::array<kernels::MessagePiece, kMostAtOnce> pieces;
  std::size_t count = 0;
  for (Member* member : batch) pieces[count++] = {member->stream->SlotOf(*member).blocks(*member), &member->state};
  kernels::TakeInLanes(*batch.front()->lanes, std::span(pieces).first(count));
  for (Member* member : batch) {
    const Stream::Slot& slot = member->stream->SlotOf(*member);
    if (slot.last) Stream::End(*member, slot);
  }
}

void DigestPool::HashAlone(const Queue& queue, Member& member) {
  for (std::size_t place = 0; place < member.at_work; ++place) {
    const Stream::Slot& slot = member.stream->SlotOf(member, place);
    if (member.digest) {
      member.digest->Update(slot.content());
    } else {
      queue.loop.take({slot.blocks(member), &member.state});
    }
    if (slot.last) Stream::End(member, slot);
  }
}

// The digest, once all is taken.
void DigestPool::Stream::End(Member& member, const Slot& last) {
  if (member.digest) {
    auto value = member.digest->Finish();
    if (value.ok()) {
      member.value = value.value();
    } else {
      member.error = std::move(value).error();
    }
    return;
  }
  const kernels::LaneTraits& traits = kernels::TraitsOf(*member.lanes);
  const auto content = last.content();
  member.value.size = traits.digest;
  kernels::EndMessage(*member.lanes, member.state, content.last(content.size() % traits.block), member.stream->length_,
                      std::span(member.value.storage).first(traits.digest));
}

std::span<const std::byte> DigestPool::Stream::Slot::content() const noexcept {
  static const std::vector<std::byte> kZeros(kSlotBytes);
  return std::span(zeros ? kZeros : bytes).first(length);
}

std::span<const std::byte> DigestPool::Stream::Slot::blocks(const Member& member) const noexcept {
  return content().first(length - length % kernels::TraitsOf(*member.lanes).block);
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
    std::erase(pool_->QueueOf(member.algorithm).members, &member);
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
  {
    const std::lock_guard lock(pool_->mutex_);
    length_ += slots_[filled_ % kSlots].length;
    ++filled_;
    for (Member& member : members_) {
      if (member.doing == Member::State::kIdle) pool_->Enqueue(member);
    }
  }
  pool_->work_.notify_one();
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

Result<std::vector<DigestValue>> DigestPool::Stream::Finish() {
  FreeSlot().last = true;
  Enqueue();
  std::unique_lock lock(pool_->mutex_);
  AwaitBacklog(lock, 0);
  std::vector<DigestValue> values;
  for (Member& member : members_) {
    if (member.error) return *std::exchange(member.error, std::nullopt);
    values.push_back(member.value);
  }
  return values;
}

}  // namespace platter
