// Feeding a stream to the inspector: raw bytes, as most uploads' are.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "formats/inspect/inspector.h"

namespace platter {
namespace {

constexpr std::uint64_t kStream = std::uint64_t{1} << 30;

// 1 GiB in pieces of range(0) bytes, the same memory over and over.
void FeedRaw(benchmark::State& state) {
  const std::vector<std::byte> piece(static_cast<std::size_t>(state.range(0)), std::byte{0x5A});
  for (auto _ : state) {
    inspect::Inspector inspector({});
    for (std::uint64_t fed = 0; fed < kStream; fed += piece.size()) inspector.Feed(piece);
    benchmark::DoNotOptimize(inspector.Finish().verdict);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kStream));
}
BENCHMARK(FeedRaw)->Arg(4096)->Arg(65536)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace platter
