// Compression of qcow2 clusters, with the codecs and settings that the writer uses.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "bench/bandwidth.h"
#include "formats/qcow2/deflate.h"

namespace {

using namespace platter;

// Words from a small vocabulary and noise: compresses about as well as programs do.
std::vector<std::byte> Cluster() {
  std::vector<std::byte> cluster(65536);
  std::uint64_t seed = 1;
  for (std::size_t at = 0; at < cluster.size(); at += 8) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t word = (seed >> 60) < 6 ? seed : 0x0101010101010101U * (seed >> 56);
    for (std::size_t i = 0; i < 8; ++i) cluster[at + i] = static_cast<std::byte>(word >> (8 * i));
  }
  return cluster;
}

void Compress(benchmark::State& state, qcow2::Compression method) {
  const auto compressor = qcow2::MakeClusterCompressor(method);
  const auto cluster = Cluster();
  std::vector<std::byte> out(cluster.size());
  std::size_t length = 0;
  for (auto _ : state) length = compressor->Compress(cluster, out).value();
  bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * cluster.size());
  state.counters["of_input"] = static_cast<double>(length) / static_cast<double>(cluster.size());
}

// Random bytes: what a cluster costs that is stored as it is.
void RefuseNoise(benchmark::State& state, qcow2::Compression method) {
  const auto compressor = qcow2::MakeClusterCompressor(method);
  std::vector<std::byte> cluster(65536);
  std::uint64_t seed = 1;
  for (std::byte& byte : cluster) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(seed >> 56);
  }
  std::vector<std::byte> out(cluster.size() - 1);
  for (auto _ : state) benchmark::DoNotOptimize(compressor->Compress(cluster, out).value());
  bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * cluster.size());
}

BENCHMARK_CAPTURE(RefuseNoise, zlib, qcow2::Compression::kZlib);
BENCHMARK_CAPTURE(RefuseNoise, zstd, qcow2::Compression::kZstd);
BENCHMARK_CAPTURE(Compress, zlib, qcow2::Compression::kZlib);
BENCHMARK_CAPTURE(Compress, zstd, qcow2::Compression::kZstd);

}  // namespace
