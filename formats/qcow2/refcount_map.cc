#include "formats/qcow2/refcount_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/core/checked.h"

namespace platter::qcow2 {

RefcountMap::RefcountMap(std::uint64_t max_count, std::uint64_t memory_limit)
    : max_count_(max_count), memory_limit_(memory_limit) {}

Result<> RefcountMap::Charge(std::uint64_t bytes) {
  if (bytes > memory_limit_ - memory_) {
    return Error(ErrorKind::kLimit, "counting the references takes more memory than the image's size on disk explains")
        .Allowed(fmt::format("{} bytes", memory_limit_));
  }
  memory_ += bytes;
  return Done{};
}

Result<> RefcountMap::Cover(std::uint64_t clusters) {
  if (clusters <= size_) return Done{};
  const std::uint64_t chunks = DivideRoundingUp(clusters, kChunkClusters);
  PLATTER_CHECK(Charge((chunks - chunks_.size()) * sizeof(chunks_[0])));
  chunks_.resize(chunks);
  size_ = clusters;
  return Done{};
}

Result<std::uint64_t> RefcountMap::Add(std::uint64_t cluster, std::uint64_t weight) {
  if (cluster >= size_) PLATTER_CHECK(Cover(cluster + 1));
  auto& chunk = chunks_[cluster / kChunkClusters];
  if (chunk == nullptr) {
    PLATTER_CHECK(Charge(sizeof(Chunk)));
    chunk = std::make_unique<Chunk>();
  }
  std::uint16_t& slot = (*chunk)[cluster % kChunkClusters];
  const std::uint64_t count = slot == kSpilled ? large_[cluster] : slot;
  const std::uint64_t fits = std::min(weight, max_count_ - count);
  if (count + fits < kSpilled) {
    slot = static_cast<std::uint16_t>(count + fits);
  } else {
    if (slot != kSpilled) PLATTER_CHECK(Charge(4 * sizeof(std::uint64_t)));
    slot = kSpilled;
    large_[cluster] = count + fits;
  }
  return weight - fits;
}

std::uint64_t RefcountMap::Get(std::uint64_t cluster) const noexcept {
  if (cluster >= size_) return 0;
  const auto& chunk = chunks_[cluster / kChunkClusters];
  if (chunk == nullptr) return 0;
  const std::uint16_t slot = (*chunk)[cluster % kChunkClusters];
  return slot == kSpilled ? large_.at(cluster) : slot;
}

}  // namespace platter::qcow2
