// SeenTables: which tables a walk has met, so that a table which many entries point at is walked once.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace platter::qcow2 {

// One bit per table for the offsets of a sound image; only misaligned ones cost more. One thread at a time.
class SeenTables {
 public:
  explicit SeenTables(std::uint32_t cluster_bits) : cluster_bits_(cluster_bits) {}

  // Whether `offset` is new; from now on it is not.
  bool FirstTime(std::uint64_t offset) {
    const std::uint64_t cluster = offset >> cluster_bits_;
    if (cluster << cluster_bits_ != offset) return misaligned_.insert(offset).second;
    auto& chunk = chunks_[cluster / kChunk];
    if (chunk.empty()) chunk.resize(kChunk);
    const bool first = !chunk[cluster % kChunk];
    chunk[cluster % kChunk] = true;
    return first;
  }

 private:
  static constexpr std::uint64_t kChunk = 4096;

  std::uint32_t cluster_bits_;
  std::unordered_map<std::uint64_t, std::vector<bool>> chunks_;
  std::unordered_set<std::uint64_t> misaligned_;
};

}  // namespace platter::qcow2
