#include "convert/hash/digest_set.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

namespace platter {

Result<std::unique_ptr<DigestSet>> DigestSet::Make(std::span<const DigestAlgorithm> algorithms, bool in_background) {
  std::vector<Digest> digests;
  for (const DigestAlgorithm algorithm : algorithms) digests.push_back(PLATTER_TRY(Digest::Make(algorithm)));
  auto set = std::unique_ptr<DigestSet>(new DigestSet(std::move(digests)));
  if (in_background || algorithms.size() > 1) set->StartThreads();
  set->slots_.resize(set->queued_ ? kSlots : 1);
  return set;
}

DigestSet::DigestSet(std::vector<Digest> digests) {
  members_.reserve(digests.size());
  for (Digest& digest : digests) members_.emplace_back(std::move(digest));
}

DigestSet::~DigestSet() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    abandoned_ = true;
  }
  filled_.notify_all();
  for (Member& member : members_) {
    if (member.thread.joinable()) member.thread.join();
  }
}

void DigestSet::StartThreads() {
  try {
    for (Member& member : members_) {
      member.thread = std::thread([this, &member] { Work(member); });
      queued_ = true;
    }
  } catch (const std::system_error&) {
    // The host grants no more threads: the rest works in the feeding one.
  }
}

void DigestSet::Take(Member& member, const Slot& slot) {
  member.digest.Update(std::span(slot.bytes).first(slot.length));
  member.digest.UpdateZeros(slot.zeros);
}

void DigestSet::Work(Member& member) {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [&] { return ended_ || member.taken < queued_slots_; });
    if (abandoned_ || member.taken == queued_slots_) return;
    const Slot& slot = slots_[member.taken % kSlots];
    lock.unlock();
    Take(member, slot);
    lock.lock();
    ++member.taken;
    freed_.notify_one();
  }
}

bool DigestSet::HasRoom() const {
  return std::ranges::all_of(members_, [&](const Member& member) {
    return !member.thread.joinable() || queued_slots_ - member.taken < slots_.size();
  });
}

DigestSet::Slot& DigestSet::WaitForSlot() {
  if (!queued_) return slots_.front();
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return HasRoom(); });
  return slots_[queued_slots_ % kSlots];
}

// Hands the slot that WaitForSlot returned to all members.
void DigestSet::Queue() {
  const Slot& slot = slots_[queued_slots_ % slots_.size()];
  if (queued_) {
    {
      const std::lock_guard lock(mutex_);
      ++queued_slots_;
    }
    filled_.notify_all();
  }
  for (Member& member : members_) {
    if (!member.thread.joinable()) Take(member, slot);
  }
}

std::span<std::byte> DigestSet::Buffer() {
  Slot& slot = WaitForSlot();
  slot.bytes.resize(kSlotBytes);
  return slot.bytes;
}

void DigestSet::Push(std::size_t length) {
  Slot& slot = WaitForSlot();
  slot.length = length;
  slot.zeros = 0;
  Queue();
}

void DigestSet::Update(std::span<const std::byte> bytes) {
  if (!queued_) {
    for (Member& member : members_) member.digest.Update(bytes);
    return;
  }
  while (!bytes.empty()) {
    const auto room = Buffer();
    const std::size_t part = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), part);
    Push(part);
    bytes = bytes.subspan(part);
  }
}

void DigestSet::UpdateZeros(std::uint64_t count) {
  Slot& slot = WaitForSlot();
  slot.length = 0;
  slot.zeros = count;
  Queue();
}

Result<std::vector<DigestValue>> DigestSet::Finish() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  filled_.notify_all();
  std::vector<DigestValue> values;
  for (Member& member : members_) {
    if (member.thread.joinable()) member.thread.join();
  }
  for (Member& member : members_) values.push_back(PLATTER_TRY(member.digest.Finish()));
  return values;
}

}  // namespace platter
