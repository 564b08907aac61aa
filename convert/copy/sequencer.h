// Sequencer: lets many threads work on numbered tickets and one step of each happen in the order of the numbers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>

#include "formats/core/result.h"

namespace platter::copy {

// Thread-safe. Tickets count from 0 without gaps. After a failure the tickets below the failing one still run to their
// end, those above give up: the lowest failure is the outcome, whatever the threads' timing.
class Sequencer {
 public:
  // Waits for `ticket`'s turn. False: a lower ticket failed, give up.
  bool WaitForTurn(std::uint64_t ticket);
  // Ends the turn of `ticket`. Requires: WaitForTurn(ticket) was true.
  void EndTurn(std::uint64_t ticket);
  void Fail(std::uint64_t ticket, Error error);
  // True once a ticket below `ticket` has failed.
  bool Abandoned(std::uint64_t ticket) const;
  bool failed() const;
  // What the lowest failing ticket failed with. Requires: all threads have ended.
  Result<> Outcome() &&;

 private:
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

  mutable std::mutex mutex_;
  std::condition_variable turn_changed_;
  std::uint64_t turn_ = 0;
  std::uint64_t failed_ticket_ = kNone;
  std::optional<Error> error_;
};

}  // namespace platter::copy
