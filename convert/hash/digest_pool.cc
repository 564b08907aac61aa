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
  for (Member* member : batch) member->doing = Member::State::kBusy;
}

void DigestPool::GiveBack(std::span<Member* const> batch) {
  for (Member* member : batch) {
    ++member->taken;
    member->doing = Member::State::kIdle;
    if (!member->stream->abandoned_ && member->taken < member->stream->filled_) Enqueue(*member);
    member->stream->freed_.notify_all();
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
  std::array<kernels::MessagePiece, kMostAtOnce> pieces;
  std::size_t count = 0;
  for (Member* member : batch) {
    const Stream::Slot& slot = member->stream->SlotOf(*member);
    if (member->digest) {
      member->digest->Update(slot.content());
      continue;
    }
    const std::size_t block = kernels::TraitsOf(*member->lanes).block;
    pieces[count++] = {slot.content().first(slot.length - slot.length % block), &member->state};
  }
  if (count > 1) kernels::TakeInLanes(*batch.front()->lanes, std::span(pieces).first(count));
  if (count == 1) queue.loop.take(pieces.front());
  for (Member* member : batch) {
    if (member->stream->SlotOf(*member).last) End(*member);
  }
}

// The digest, once all is taken.
void DigestPool::End(Member& member) {
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
  const auto content = member.stream->SlotOf(member).content();
  member.value.size = traits.digest;
  kernels::EndMessage(*member.lanes, member.state, content.last(content.size() % traits.block), member.stream->length_,
                      std::span(member.value.storage).first(traits.digest));
}

std::span<const std::byte> DigestPool::Stream::Slot::content() const noexcept {
  static const std::vector<std::byte> kZeros(kSlotBytes);
  return std::span(zeros ? kZeros : bytes).first(length);
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

DigestPool::Stream::Slot& DigestPool::Stream::FreeSlot() {
  std::unique_lock lock(pool_->mutex_);
  freed_.wait(lock, [&] {
    return std::ranges::all_of(members_, [&](const Member& member) { return filled_ - member.taken < kSlots; });
  });
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
  freed_.wait(lock, [&] {
    return std::ranges::all_of(members_, [&](const Member& member) { return member.taken == filled_; });
  });
  std::vector<DigestValue> values;
  for (Member& member : members_) {
    if (member.error) return *std::exchange(member.error, std::nullopt);
    values.push_back(member.value);
  }
  return values;
}

}  // namespace platter
