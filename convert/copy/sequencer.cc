#include "convert/copy/sequencer.h"

#include <utility>

namespace platter::copy {

bool Sequencer::WaitForTurn(std::uint64_t ticket) {
  std::unique_lock lock(mutex_);
  turn_changed_.wait(lock, [&] { return turn_ == ticket || failed_ticket_ < ticket; });
  return failed_ticket_ > ticket;
}

void Sequencer::EndTurn(std::uint64_t ticket) {
  {
    const std::lock_guard lock(mutex_);
    turn_ = ticket + 1;
  }
  turn_changed_.notify_all();
}

void Sequencer::Fail(std::uint64_t ticket, Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (ticket >= failed_ticket_) return;
    failed_ticket_ = ticket;
    error_ = std::move(error);
  }
  turn_changed_.notify_all();
}

bool Sequencer::Abandoned(std::uint64_t ticket) const {
  const std::lock_guard lock(mutex_);
  return failed_ticket_ < ticket;
}

bool Sequencer::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_ticket_ != kNone;
}

Result<> Sequencer::Outcome() && {
  if (error_) return *std::exchange(error_, std::nullopt);
  return Done{};
}

}  // namespace platter::copy
