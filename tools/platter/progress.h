// How far a long job has come, on the standard output or another stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>

namespace platter::cli {

// On a terminal a bar with percent, rate and time left; elsewhere qemu-img's lines, "    (12.00/100%)\r". Once there is
// one, SIGUSR1 asks a job that says nothing for one such line on the standard error stream. Thread-safe.
class Progress {
 public:
  // `enabled` false: says nothing at all. `plain`: qemu-img's lines even on a terminal. `total`: bytes of the whole
  // job, 0 for none.
  Progress(bool enabled, bool plain, std::uint64_t total, std::FILE* out = stdout);
  void Update(std::uint64_t done);
  // Ends the line; `complete` says 100 % first. To be called once, last.
  void Finish(bool complete);

 private:
  using Clock = std::chrono::steady_clock;

  void Print(double percent);
  void PrintBar(double percent);
  double Percent() const noexcept;

  std::FILE* const out_;
  const bool enabled_;
  const bool bar_;
  const std::uint64_t total_;
  const Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  double printed_ = -1;  // percent
  Clock::time_point printed_at_{};
};

}  // namespace platter::cli
