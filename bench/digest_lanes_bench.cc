// Digests of many messages on one core: the lanes by each instruction set, OpenSSL's EVP one message after the other,
// and the plain loops.
#include <benchmark/benchmark.h>
#include <hwy/targets.h>

#include <cstdint>
#include <vector>

#include "bench/bandwidth.h"
#include "convert/hash/digest.h"
#include "convert/kernels/digest_lanes.h"

namespace {

using platter::DigestAlgorithm;
using platter::kernels::LaneDigest;
using platter::kernels::Message;

struct Pair {
  LaneDigest lanes;
  DigestAlgorithm evp;
};
constexpr Pair kPairs[] = {{LaneDigest::kMd5, DigestAlgorithm::kMd5},
                           {LaneDigest::kSha1, DigestAlgorithm::kSha1},
                           {LaneDigest::kSha256, DigestAlgorithm::kSha256},
                           {LaneDigest::kSha512, DigestAlgorithm::kSha512}};

// `count` messages of `size` bytes each, one behind the other, as the blocks of a disk lie.
struct Messages {
  Messages(std::int64_t count, std::int64_t size) : bytes(static_cast<std::size_t>(count * size)) {
    std::uint32_t noise = 1;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>((noise = noise * 1664525 + 1013904223) >> 24);
    for (std::int64_t i = 0; i < count; ++i) {
      list.push_back(std::span(bytes).subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size)));
    }
  }
  std::vector<std::byte> bytes;
  std::vector<Message> list;
};

// Arguments: the digest, the number of messages, the bytes of each; of Lanes, the instruction set, the best one first.
template <class Hash>
void Run(benchmark::State& state, const Hash& hash) {
  const Pair& pair = kPairs[state.range(0)];
  const Messages messages(state.range(1), state.range(2));
  std::vector<std::byte> out(messages.list.size() * TraitsOf(pair.lanes).digest);
  for (auto _ : state) {
    hash(pair, messages.list, std::span(out));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  platter::bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations() * state.range(1) * state.range(2)));
  state.SetLabel(std::string(platter::TraitsOf(pair.evp).name));
}

void Lanes(benchmark::State& state) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  const auto index = static_cast<std::size_t>(state.range(3));
  if (index >= targets.size()) return state.SkipWithError("this CPU has no further instruction set");
  hwy::SetSupportedTargetsForTest(targets[index]);
  Run(state, [](const Pair& pair, std::span<const Message> messages, std::span<std::byte> out) {
    HashInLanes(pair.lanes, messages, out);
  });
  hwy::SetSupportedTargetsForTest(0);
  state.SetLabel(std::string(platter::TraitsOf(kPairs[state.range(0)].evp).name) + " " +
                 hwy::TargetName(targets[index]));
}

void Evp(benchmark::State& state) {
  auto digest = platter::Digest::Make(kPairs[state.range(0)].evp);
  if (!digest.ok()) return state.SkipWithError("no such digest");
  Run(state, [&](const Pair& /*pair*/, std::span<const Message> messages, std::span<std::byte> /*out*/) {
    for (const Message message : messages) benchmark::DoNotOptimize(digest.value().Of(message).ok());
  });
}

void Reference(benchmark::State& state) {
  Run(state, [](const Pair& pair, std::span<const Message> messages, std::span<std::byte> out) {
    HashReference(pair.lanes, messages, out);
  });
}

BENCHMARK(Lanes)->ArgsProduct({{0, 1, 2, 3}, {16}, {4096, 65536}, {0, 1, 2, 3}});
BENCHMARK(Evp)->ArgsProduct({{0, 1, 2, 3}, {16}, {4096, 65536}});
BENCHMARK(Reference)->ArgsProduct({{0, 1, 2, 3}, {16}, {65536}});

}  // namespace
