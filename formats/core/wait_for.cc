#include "formats/core/wait_for.h"

#include <poll.h>

#include <cerrno>

namespace platter {

Result<> WaitFor(int fd, short events, const std::atomic<bool>* cancel) {
  constexpr int kLookAfter = 200;  // ms
  while (true) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
      return Error(ErrorKind::kCancelled, "interrupted");
    }
    pollfd waiting{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&waiting, 1, cancel == nullptr ? -1 : kLookAfter);
    if (ready > 0) return Done{};
    if (ready < 0 && errno != EINTR) return Error::FromErrno(errno, "waiting for a pipe");
  }
}

}  // namespace platter
