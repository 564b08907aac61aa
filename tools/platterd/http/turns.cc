#include "tools/platterd/http/turns.h"

#include <limits>
#include <utility>

namespace platter::http {

void Turns::Add(std::string owner, std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back({std::move(owner), std::move(call)});
}

void Turns::Run() {
  std::unique_lock lock(mutex_);
  for (auto next = Next(); next != waiting_.end(); next = Next()) {
    Waiting turn = std::move(*next);
    waiting_.erase(next);
    ++running_[turn.owner];
    lock.unlock();
    turn.call();
    turn.call = nullptr;  // what it holds goes without the lock
    lock.lock();
    if (--running_[turn.owner] == 0) running_.erase(turn.owner);
  }
}

std::deque<Turns::Waiting>::iterator Turns::Next() {
  auto next = waiting_.end();
  unsigned fewest = std::numeric_limits<unsigned>::max();
  for (auto at = waiting_.begin(); at != waiting_.end() && fewest > 0; ++at) {
    const auto found = running_.find(at->owner);
    const unsigned count = found == running_.end() ? 0 : found->second;
    if (count >= fewest || (count >= share_ && !at->owner.empty())) continue;
    fewest = count;
    next = at;
  }
  return next;
}

}  // namespace platter::http
