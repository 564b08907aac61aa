// RefcountMap: how often each host cluster of an image is referenced, counted while its tables are walked.
//
// Memory follows the clusters that are referenced, not the length of the file: counts live in chunks that are made when
// one of their clusters is first counted. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "formats/core/result.h"

namespace platter::qcow2 {

class RefcountMap {
 public:
  static constexpr std::uint64_t kChunkClusters = 4096;
  static constexpr std::uint64_t kGroup = 64;

  // Counts go up to `max_count`. Counting answers kLimit when it would take more than `memory_limit` bytes.
  RefcountMap(std::uint64_t max_count, std::uint64_t memory_limit);

  // Adds `weight` to the cluster's count, growing the map to it. The value is the part of `weight` that did not fit
  // under max_count.
  Result<std::uint64_t> Add(std::uint64_t cluster, std::uint64_t weight = 1);
  // Adds `weight` to the counts of up to `count` clusters from `first` on, in bulk. The value is how many it took, from
  // the first: it stops at one that Add has to look at, for want of memory or because the count grows large.
  std::uint64_t AddRun(std::uint64_t first, std::uint64_t count, std::uint64_t weight) noexcept;
  // Makes clusters below `clusters` part of the map.
  Result<> Cover(std::uint64_t clusters);

  std::uint64_t Get(std::uint64_t cluster) const noexcept;
  // The counts of the clusters from `first` on, kGroup of them. The value is empty when one of them may be larger than
  // a group can say, so that Get has to tell. Requires: `first` is a multiple of kGroup, the group is part of the map.
  std::span<const std::uint16_t> Group(std::uint64_t first) const noexcept;
  // One past the last cluster of the map.
  std::uint64_t size() const noexcept { return size_; }
  // True when no cluster of the chunk that holds `cluster` was ever counted.
  bool ChunkIsEmpty(std::uint64_t cluster) const noexcept { return chunks_[cluster / kChunkClusters] == nullptr; }

 private:
  // The value kSpilled stands for a count in `large_`.
  using Chunk = std::array<std::uint16_t, kChunkClusters>;
  static constexpr std::uint16_t kSpilled = 0xFFFF;

  Result<> Charge(std::uint64_t bytes);

  std::uint64_t max_count_;
  std::uint64_t memory_limit_;
  std::uint64_t memory_ = 0;
  std::uint64_t size_ = 0;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::unordered_map<std::uint64_t, std::uint64_t> large_;
};

}  // namespace platter::qcow2
