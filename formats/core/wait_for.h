// Waiting for the other end of a pipe without becoming deaf to an interrupt.
#pragma once

#include <atomic>

#include "formats/core/result.h"

namespace platter {

// Waits until poll(2) finds one of `events` of `fd`, or that it has ended or failed, which the next call on it tells.
// kCancelled once `cancel` is true, which is looked at several times a second; null: never.
Result<> WaitFor(int fd, short events, const std::atomic<bool>* cancel);

}  // namespace platter
