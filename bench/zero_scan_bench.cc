// Zero detection: our kernel, ISA-L, memcmp against itself and the plain loop, on clean and on dirty blocks.
#include <benchmark/benchmark.h>
#include <isa-l/mem_routines.h>

#include <cstring>
#include <vector>

#include "bench/bandwidth.h"
#include "convert/kernels/zero_scan.h"

namespace {

bool IsZeroIsal(std::span<const std::byte> data) {
  return isal_zero_detect(const_cast<std::byte*>(data.data()), data.size()) == 0;
}

// The libc idiom: the first byte is zero and everything equals its neighbour.
bool IsZeroMemcmp(std::span<const std::byte> data) {
  return data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

bool IsZeroReference(std::span<const std::byte> data) {
  return platter::kernels::FindNonZeroReference(data) == data.size();
}

// Arguments: bytes of the block; where its only dirty byte is, -1 for none.
template <class Scan>
void ScanBlock(benchmark::State& state, const Scan& scan) {
  std::vector<std::byte> block(static_cast<std::size_t>(state.range(0)));
  if (state.range(1) >= 0) block[static_cast<std::size_t>(state.range(1))] = std::byte{1};
  for (auto _ : state) benchmark::DoNotOptimize(scan(std::span<const std::byte>(block)));
  platter::bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations() * state.range(0)));
}

const std::vector<std::vector<std::int64_t>> kBlocks = {{4096, 65536, 1 << 20}, {-1, 0, 1000}};

BENCHMARK_CAPTURE(ScanBlock, kernel, platter::kernels::IsZero)->ArgsProduct(kBlocks);
BENCHMARK_CAPTURE(ScanBlock, isal, IsZeroIsal)->ArgsProduct(kBlocks);
BENCHMARK_CAPTURE(ScanBlock, memcmp, IsZeroMemcmp)->ArgsProduct(kBlocks);
BENCHMARK_CAPTURE(ScanBlock, reference, IsZeroReference)->ArgsProduct(kBlocks);

}  // namespace
