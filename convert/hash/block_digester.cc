#include "convert/hash/block_digester.h"

#include <algorithm>
#include <chrono>

#include "convert/kernels/md5_sha512.h"

namespace platter::hash {
namespace {

using kernels::LaneDigest;

// The shortest of some tries: the others were interrupted, or had to warm up.
template <class Work>
std::chrono::nanoseconds TimeOf(const Work& work) {
  constexpr int kTries = 5;
  auto shortest = std::chrono::nanoseconds::max();
  for (int i = 0; i < kTries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    shortest = std::min<std::chrono::nanoseconds>(shortest, std::chrono::steady_clock::now() - start);
  }
  return shortest;
}

constexpr std::size_t kSampleBytes = 4096;

// From how many blocks on a pass of `width` lanes takes less time than one after the other; 0: never.
std::size_t FewestOf(std::size_t width, std::chrono::nanoseconds in_lanes, std::chrono::nanoseconds one_alone) {
  const auto fewest = static_cast<std::size_t>(in_lanes / std::max(one_alone, std::chrono::nanoseconds(1))) + 1;
  return fewest > width ? 0 : fewest;
}

void HashSomeInLanes(LaneDigest lanes, std::span<const Block> blocks, std::vector<std::byte>& out) {
  const std::size_t used = out.size();
  out.resize(used + blocks.size() * kernels::TraitsOf(lanes).digest);
  kernels::HashInLanes(lanes, blocks, std::span(out).subspan(used));
}

}  // namespace

std::optional<LaneDigest> LanesOf(DigestAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case DigestAlgorithm::kMd5:
      return LaneDigest::kMd5;
    case DigestAlgorithm::kSha1:
      return LaneDigest::kSha1;
    case DigestAlgorithm::kSha224:
      return LaneDigest::kSha224;
    case DigestAlgorithm::kSha256:
      return LaneDigest::kSha256;
    case DigestAlgorithm::kSha384:
      return LaneDigest::kSha384;
    case DigestAlgorithm::kSha512:
      return LaneDigest::kSha512;
    default:
      return std::nullopt;
  }
}

std::size_t FewestBlocksForLanes(Digest& digest) {
  const auto lanes = LanesOf(digest.algorithm());
  if (!lanes) return 0;
  const std::size_t width = kernels::LaneCount(*lanes);
  const std::vector<std::byte> sample(kSampleBytes, std::byte{0x5a});
  const std::vector<Block> blocks(width, sample);
  std::vector<std::byte> out;
  const auto in_lanes = TimeOf([&] {
    out.clear();
    HashSomeInLanes(*lanes, blocks, out);
  });
  const auto one_alone = TimeOf([&] { (void)digest.Of(sample); });
  return FewestOf(width, in_lanes, one_alone);
}

std::size_t FewestBlocksForLanesOfBoth() {
  const std::size_t width = kernels::LaneCount(LaneDigest::kSha512);
  const std::vector<std::byte> sample(kSampleBytes, std::byte{0x5a});
  std::vector<kernels::MessageState> states(width);
  std::vector<kernels::MessagePiece> pieces;
  pieces.reserve(width);
  for (kernels::MessageState& state : states) pieces.push_back({sample, &state});
  const auto in_lanes = TimeOf([&] {
    kernels::TakeInLanes(LaneDigest::kMd5, pieces);
    kernels::TakeInLanes(LaneDigest::kSha512, pieces);
  });
  kernels::MessageState md5{};
  kernels::MessageState sha512{};
  const auto one_alone = TimeOf([&] { kernels::TakeMd5Sha512(sample, md5, sha512); });
  return FewestOf(width, in_lanes, one_alone);
}

Result<> HashBlocks(Digest& digest, std::size_t fewest_for_lanes, std::span<const Block> blocks,
                    std::vector<std::byte>& out) {
  const auto lanes = LanesOf(digest.algorithm());
  if (lanes && fewest_for_lanes != 0) {
    const std::size_t rest = blocks.size() % kernels::LaneCount(*lanes);
    const std::size_t together = rest >= fewest_for_lanes ? blocks.size() : blocks.size() - rest;
    if (together != 0) HashSomeInLanes(*lanes, blocks.first(together), out);
    blocks = blocks.subspan(together);
  }
  for (const Block block : blocks) {
    const DigestValue value = PLATTER_TRY(digest.Of(block));
    out.insert(out.end(), value.bytes().begin(), value.bytes().end());
  }
  return Done{};
}

}  // namespace platter::hash
