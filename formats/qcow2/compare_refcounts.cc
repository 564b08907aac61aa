#include "formats/qcow2/compare_refcounts.h"

#include <algorithm>
#include <cstring>

#include "formats/qcow2/refcount_entry.h"

namespace platter::qcow2 {
namespace {

class Comparison {
 public:
  Comparison(CheckState& state, const RefcountMap& counts, Repair repair)
      : state_(state), counts_(counts), repair_(repair), punch_(state.report.corruptions == 0) {}

  Result<> Run() {
    const std::uint64_t per_block = state_.stored.clusters_per_block();
    for (std::uint64_t first = 0; first < counts_.size(); first += per_block) {
      PLATTER_CHECK(CompareBlock(first, std::min(first + per_block, counts_.size())));
    }
    PLATTER_CHECK(EndPunchRun());
    PLATTER_CHECK(state_.stored.Flush());
    state_.report.image_end_offset = (highest_ + 1) << state_.header.cluster_bits;
    return Done{};
  }

 private:
  // The clusters from `first` to `end`, which one block counts.
  Result<> CompareBlock(std::uint64_t first, std::uint64_t end) {
    const std::uint64_t offset = state_.stored.BlockOffset(first);
    if (offset == 0) return CompareUncounted(first, end);
    if (!state_.stored.IsReadable(offset)) {
      state_.report.check_errors += end - first;
      for (std::uint64_t at = first; at < end && state_.logging(); ++at) {
        state_.Log("Can't get refcount for cluster {}: Input/output error", at);
      }
      return Done{};
    }
    const auto bytes = PLATTER_TRY(state_.tables.Read(offset, state_.header.cluster_size()));
    block_.assign(bytes.begin(), bytes.end());
    for (std::uint64_t at = first; at < end; ++at) {
      if (at % RefcountMap::kGroup == 0) at += EqualGroups(first, at, end);
      if (at == end) break;
      const std::uint64_t stored = GetRefcount(block_, at - first, state_.header.refcount_order);
      const std::uint64_t counted = counts_.Get(at);
      if ((stored | counted) != 0) highest_ = at;
      if (stored != counted) PLATTER_CHECK(Differ(at, stored, counted));
    }
    return Done{};
  }

  // How many clusters from `at` on, in groups, have the same counts in block_, which begins at `first`, and in counts_.
  std::uint64_t EqualGroups(std::uint64_t first, std::uint64_t at, std::uint64_t end) noexcept {
    constexpr std::uint64_t kGroup = RefcountMap::kGroup;
    if (state_.header.refcount_order != 4) return 0;
    const std::uint64_t start = at;
    for (; at + kGroup <= end; at += kGroup) {
      const auto counted = counts_.Group(at);
      if (counted.empty()) break;
      std::uint16_t stored[kGroup];
      std::memcpy(stored, block_.data() + (at - first) * sizeof(stored[0]), sizeof(stored));
      std::uint16_t differing = 0;
      for (std::uint64_t i = 0; i < kGroup; ++i) {
        differing |= static_cast<std::uint16_t>(ToOrder<std::endian::big>(stored[i]) ^ counted[i]);
      }
      if (differing != 0) break;
      for (std::uint64_t i = kGroup; i-- > 0;) {
        if (counted[i] == 0) continue;
        highest_ = at + i;
        break;
      }
    }
    return at - start;
  }

  Result<> CompareUncounted(std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t at = first; at < end; ++at) {
      if (counts_.ChunkIsEmpty(at)) {
        at |= RefcountMap::kChunkClusters - 1;
        continue;
      }
      const std::uint64_t counted = counts_.Get(at);
      if (counted == 0) continue;
      highest_ = at;
      PLATTER_CHECK(Differ(at, 0, counted));
    }
    return Done{};
  }

  Result<> Differ(std::uint64_t cluster, std::uint64_t stored, std::uint64_t counted) {
    const bool leak = stored > counted;
    const bool fixes = stored != 0 && (leak ? repair_ != Repair::kNothing : repair_ == Repair::kAll);
    if (stored == 0) state_.rebuild = true;
    state_.Log("{} cluster {} refcount={} reference={}",
               fixes  ? "Repairing"
               : leak ? "Leaked"
                      : "ERROR",
               cluster, stored, counted);
    CheckReport& report = state_.report;
    if (!fixes) {
      ++(leak ? report.leaks : report.corruptions);
      return Done{};
    }
    PLATTER_CHECK(state_.stored.Set(cluster, counted));
    ++(leak ? report.leaks_fixed : report.corruptions_fixed);
    return counted == 0 ? PunchLater(cluster) : Done{};
  }

  // Gives the space of freed clusters back, but only where nothing that was misunderstood could still need it.
  Result<> PunchLater(std::uint64_t cluster) {
    if (!punch_) return Done{};
    if (punch_end_ != cluster) {
      PLATTER_CHECK(EndPunchRun());
      punch_first_ = cluster;
    }
    punch_end_ = cluster + 1;
    return Done{};
  }

  Result<> EndPunchRun() {
    const std::uint64_t bits = state_.header.cluster_bits;
    const std::uint64_t first = punch_first_ << bits;
    const std::uint64_t end = std::min(punch_end_ << bits, state_.storage.size());
    punch_first_ = punch_end_ = 0;
    if (first >= end || state_.storage.is_device()) return Done{};
    return state_.storage.Punch(first, end - first);
  }

  CheckState& state_;
  const RefcountMap& counts_;
  Repair repair_;
  bool punch_;
  std::uint64_t punch_first_ = 0;
  std::uint64_t punch_end_ = 0;
  std::uint64_t highest_ = 0;
  std::vector<std::byte> block_;
};

}  // namespace

Result<> CompareRefcounts(CheckState& state, const RefcountMap& counts, Repair repair) {
  return Comparison(state, counts, repair).Run();
}

}  // namespace platter::qcow2
