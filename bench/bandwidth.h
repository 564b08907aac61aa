// What a kernel does a second, and how much of the memory's bandwidth that is.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace platter::bench {

// Bytes per second that one core reads at most out of memory, in blocks that no cache holds; measured once.
inline double ReadBandwidth() {
  static const double kBandwidth = [] {
    constexpr std::size_t kBytes = std::size_t{256} << 20;
    const std::vector<std::uint64_t> memory(kBytes / sizeof(std::uint64_t), 1);
    double best = 0;
    for (int round = 0; round < 8; ++round) {
      const auto start = std::chrono::steady_clock::now();
      // memchr that finds nothing: the library's widest loads, and nothing else.
      benchmark::DoNotOptimize(std::memchr(memory.data(), 2, kBytes));
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      best = std::max(best, static_cast<double>(kBytes) / took.count());
    }
    return best;
  }();
  return kBandwidth;
}

// Says bytes_per_second, and "of_memory": its share of ReadBandwidth(). `bytes`: of all iterations.
inline void ReportBytes(benchmark::State& state, std::uint64_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["of_memory"] =
      benchmark::Counter(static_cast<double>(bytes) / ReadBandwidth(), benchmark::Counter::kIsRate);
}

}  // namespace platter::bench
