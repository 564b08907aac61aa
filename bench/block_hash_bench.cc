// The block hash of a dense disk: ours, and as OpenSSL's EVP alone does it, block after block. CPU time of the process.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <vector>

#include "bench/bandwidth.h"
#include "convert/hash/block_hash.h"
#include "convert/hash/digest.h"
#include "convert/kernels/zero_scan.h"
#include "formats/core/bytes.h"
#include "formats/core/driver.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"

namespace {

using platter::Chain;
using platter::DigestAlgorithm;

constexpr DigestAlgorithm kAlgorithms[] = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha1, DigestAlgorithm::kSha256,
                                           DigestAlgorithm::kSha512};
constexpr std::size_t kDiskBytes = std::size_t{256} << 20;

Chain DenseDisk() {
  std::vector<std::byte> bytes(kDiskBytes);
  std::uint32_t noise = 1;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((noise = noise * 1664525 + 1013904223) >> 24);
  platter::OpenContext context;
  platter::DenyGate gate;
  context.gate = &gate;
  const auto* raw = platter::FindFormat("raw", platter::Dialect::kPlatter);
  auto image = raw->open(std::make_shared<platter::MemoryStorage>("disk", std::move(bytes)), context);
  return Chain({std::move(image).value()});
}

void Ours(benchmark::State& state) {
  const Chain disk = DenseDisk();
  platter::HashOptions options;
  options.algorithms = {kAlgorithms[state.range(0)]};
  for (auto _ : state) benchmark::DoNotOptimize(BlockHashes(disk, platter::kDefaultHashBlock, options).ok());
  platter::bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * kDiskBytes);
  state.SetLabel(std::string(TraitsOf(options.algorithms.front()).name));
}

void Evp(benchmark::State& state) {
  const Chain disk = DenseDisk();
  auto inner = platter::Digest::Make(kAlgorithms[state.range(0)]);
  auto outer = platter::Digest::Make(kAlgorithms[state.range(0)]);
  std::vector<std::byte> block(platter::kDefaultHashBlock);
  for (auto _ : state) {
    for (std::size_t at = 0; at < kDiskBytes; at += block.size()) {
      if (!disk.ReadAt(at, block).ok()) return state.SkipWithError("reading failed");
      benchmark::DoNotOptimize(platter::kernels::IsZero(block));
      outer.value().Update(inner.value().Of(block).value().bytes());
    }
    std::array<std::byte, 8> length{};
    platter::StoreLe(length.data(), std::uint64_t{kDiskBytes});
    benchmark::DoNotOptimize(outer.value().Of(length).ok());
  }
  platter::bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * kDiskBytes);
  state.SetLabel(std::string(platter::TraitsOf(kAlgorithms[state.range(0)]).name));
}

BENCHMARK(Ours)->DenseRange(0, 3)->MeasureProcessCPUTime();
BENCHMARK(Evp)->DenseRange(0, 3)->MeasureProcessCPUTime();

}  // namespace
