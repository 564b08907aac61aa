#include "tools/platter/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>

#include "tools/platter/human_size.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

constexpr double kStep = 1;  // percent between two lines
constexpr std::chrono::milliseconds kBarPeriod{100};
constexpr std::size_t kBarWidth = 30;

std::string TimeText(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 359999.0));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

// A signal handler reaches nothing but what has static storage.
std::atomic<bool> asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);
extern "C" void OnQuestion(int /*signal*/) { asked.store(true, std::memory_order_relaxed); }

void HearQuestions() {
  struct sigaction action {};
  action.sa_handler = OnQuestion;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
}

}  // namespace

Progress::Progress(bool enabled, bool plain, std::uint64_t total, std::FILE* out)
    : out_(out), enabled_(enabled), bar_(enabled && !plain && isatty(fileno(out)) == 1), total_(total) {
  HearQuestions();
  if (enabled_) Print(0);
}

void Progress::Update(std::uint64_t done) {
  if (!enabled_ && !asked.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  done_ = std::max(done_, std::min(done, total_));
  const double percent = Percent();
  if (!enabled_) {
    if (asked.exchange(false)) PrintText(stderr, "    ({:.2f}/100%)\n", percent);
    return;
  }
  const bool due = bar_ ? Clock::now() - printed_at_ >= kBarPeriod : percent >= printed_ + kStep;
  if (percent > printed_ && (due || percent >= 100)) Print(percent);
}

void Progress::Finish(bool complete) {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  if (complete) {
    done_ = total_;
    Print(100);
  }
  PrintText(out_, "\n");
  std::fflush(out_);
}

double Progress::Percent() const noexcept {
  return total_ == 0 ? 100 : 100 * (static_cast<double>(done_) / static_cast<double>(total_));
}

void Progress::Print(double percent) {
  printed_ = percent;
  printed_at_ = Clock::now();
  if (bar_) {
    PrintBar(percent);
  } else {
    PrintText(out_, "    ({:.2f}/100%)\r", percent);
  }
  std::fflush(out_);
}

void Progress::PrintBar(double percent) {
  const double seconds = std::chrono::duration<double>(printed_at_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
  const auto filled = static_cast<std::size_t>(percent / 100 * static_cast<double>(kBarWidth));
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  const std::string time = percent >= 100 ? TimeText(seconds) + " in all" : TimeText(left) + " left";
  PrintText(out_, "\r[{}] {:5.1f} %  {}/s  {}\x1b[K", bar, percent, HumanSize(static_cast<std::uint64_t>(rate)), time);
}

}  // namespace platter::cli
