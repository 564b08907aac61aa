// Streams that are hashed at the same time: in the pool, and each by OpenSSL's EVP. CPU time of the process, with one
// copy of all bytes on either side, as from a socket.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "bench/bandwidth.h"
#include "convert/hash/digest_pool.h"

namespace {

using platter::DigestAlgorithm;

// What an image registry records.
constexpr DigestAlgorithm kAlgorithms[] = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha512};
constexpr std::size_t kStreamBytes = std::size_t{32} << 20;
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

std::vector<std::byte> Piece() {
  std::vector<std::byte> bytes(kPieceBytes);
  std::uint32_t noise = 1;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((noise = noise * 1664525 + 1013904223) >> 24);
  return bytes;
}

void Report(benchmark::State& state) {
  platter::bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations() * state.range(0)) * kStreamBytes);
}

// `feed` for each stream, in a thread of its own.
template <class Feed>
void SideBySide(std::int64_t streams, const Feed& feed) {
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < streams; ++i) threads.emplace_back(feed);
  for (std::thread& thread : threads) thread.join();
}

void Pool(benchmark::State& state) {
  const auto piece = Piece();
  const auto pool = platter::DigestPool::Make().value();
  for (auto _ : state) {
    SideBySide(state.range(0), [&] {
      const auto stream = pool->Open(kAlgorithms).value();
      for (std::size_t at = 0; at < kStreamBytes; at += kPieceBytes) stream->Update(piece);
      benchmark::DoNotOptimize(stream->Finish().ok());
    });
  }
  Report(state);
}

void Evp(benchmark::State& state) {
  const auto piece = Piece();
  for (auto _ : state) {
    SideBySide(state.range(0), [&] {
      auto md5 = platter::Digest::Make(kAlgorithms[0]);
      auto sha512 = platter::Digest::Make(kAlgorithms[1]);
      std::vector<std::byte> buffer(kPieceBytes);
      for (std::size_t at = 0; at < kStreamBytes; at += kPieceBytes) {
        std::ranges::copy(piece, buffer.begin());
        benchmark::ClobberMemory();
        md5.value().Update(buffer);
        sha512.value().Update(buffer);
      }
      benchmark::DoNotOptimize(md5.value().Finish().ok() && sha512.value().Finish().ok());
    });
  }
  Report(state);
}

BENCHMARK(Pool)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->MeasureProcessCPUTime();
BENCHMARK(Evp)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->MeasureProcessCPUTime();

}  // namespace
