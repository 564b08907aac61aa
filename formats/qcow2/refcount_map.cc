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

std::uint64_t RefcountMap::AddRun(std::uint64_t first, std::uint64_t count, std::uint64_t weight) noexcept {
  const std::uint64_t most = std::min<std::uint64_t>(max_count_, kSpilled - 1);
  if (weight > most) return 0;
  const std::uint64_t room = most - weight;
  const auto step = static_cast<std::uint16_t>(weight);
  std::uint64_t at = first;
  for (const std::uint64_t end = std::min(first + count, size_); at < end;) {
    const auto& chunk = chunks_[at / kChunkClusters];
    if (chunk == nullptr) break;
    std::uint16_t* slots = chunk->data() + at % kChunkClusters;
    if (std::min(end - at, kChunkClusters - at % kChunkClusters) >= kGroup) {
      // All bits of the counts together are no less than the largest of them.
      std::uint16_t bits = 0;
      for (std::uint64_t i = 0; i < kGroup; ++i) bits |= slots[i];
      if (bits <= room) {
        for (std::uint64_t i = 0; i < kGroup; ++i) slots[i] = static_cast<std::uint16_t>(slots[i] + step);
        at += kGroup;
        continue;
      }
    }
    if (*slots > room) break;
    *slots = static_cast<std::uint16_t>(*slots + step);
    ++at;
  }
  return at - first;
}

std::span<const std::uint16_t> RefcountMap::Group(std::uint64_t first) const noexcept {
  static constexpr std::array<std::uint16_t, kGroup> kNone{};
  const auto& chunk = chunks_[first / kChunkClusters];
  if (chunk == nullptr) return kNone;
  const auto counts = std::span<const std::uint16_t>(*chunk).subspan(first % kChunkClusters, kGroup);
  std::uint16_t bits = 0;
  for (std::uint64_t i = 0; i < kGroup; ++i) bits |= counts[i];
  return bits == kSpilled ? std::span<const std::uint16_t>() : counts;
}

std::uint64_t RefcountMap::Get(std::uint64_t cluster) const noexcept {
  if (cluster >= size_) return 0;
  const auto& chunk = chunks_[cluster / kChunkClusters];
  if (chunk == nullptr) return 0;
  const std::uint16_t slot = (*chunk)[cluster % kChunkClusters];
  return slot == kSpilled ? large_.at(cluster) : slot;
}

}  // namespace platter::qcow2
