#include "tools/platter/interrupt.h"

#include <csignal>
#include <ctime>

namespace platter::cli {
namespace {

// A signal handler reaches nothing but what has static storage.
std::atomic<bool> interrupted{false};
std::atomic<std::time_t> interrupted_at{0};  // seconds of CLOCK_MONOTONIC
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<std::time_t>::is_always_lock_free);

// Who is impatient ends the program at once. `timeout` sends two signals at the same moment, and is not.
extern "C" void OnInterrupt(int signal) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!interrupted.exchange(true, std::memory_order_relaxed)) {
    interrupted_at.store(now.tv_sec, std::memory_order_relaxed);
  } else if (now.tv_sec - interrupted_at.load(std::memory_order_relaxed) > 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

const std::atomic<bool>& CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    // What nohup, or a shell for a job in the background, has us ignore stays ignored.
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(signal, &action, nullptr);
  }
  return interrupted;
}

}  // namespace platter::cli
