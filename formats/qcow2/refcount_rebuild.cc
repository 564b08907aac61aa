#include "formats/qcow2/refcount_rebuild.h"

#include <algorithm>

#include "formats/qcow2/refcount_entry.h"

namespace platter::qcow2 {
namespace {

// Where the new structure goes: its blocks, then its table, in one run of clusters.
struct Plan {
  std::uint64_t first_cluster = 0;
  std::vector<bool> blocks;  // by index: whether the table has an entry for it
  std::uint64_t block_count = 0;
  std::uint64_t table_clusters = 0;

  std::uint64_t cluster_count() const noexcept { return block_count + table_clusters; }
  bool Holds(std::uint64_t cluster) const noexcept {
    return cluster >= first_cluster && cluster - first_cluster < cluster_count();
  }
  void Need(std::uint64_t block) {
    if (block >= blocks.size()) blocks.resize(block + 1);
    if (blocks[block]) return;
    blocks[block] = true;
    ++block_count;
  }
};

void NeedCounted(const RefcountMap& counts, std::uint64_t per_block, Plan& plan) {
  for (std::uint64_t at = 0; at < counts.size(); ++at) {
    if (counts.ChunkIsEmpty(at)) {
      at |= RefcountMap::kChunkClusters - 1;
    } else if (counts.Get(at) != 0) {
      plan.Need(at / per_block);
      at = std::max(at, (at / per_block + 1) * per_block - 1);
    }
  }
}

Result<Plan> MakePlan(CheckState& state, const RefcountMap& counts) {
  const std::uint64_t per_block = state.stored.clusters_per_block();
  const std::uint64_t cluster = state.header.cluster_size();
  Plan plan;
  NeedCounted(counts, per_block, plan);
  // The structure counts itself, which may take more blocks, which have to be counted.
  for (std::uint64_t before = 0; plan.cluster_count() != before;) {
    before = plan.cluster_count();
    const std::uint64_t count = std::max<std::uint64_t>(before, 1);
    plan.first_cluster = FindFreeTail(state, counts, count);
    for (std::uint64_t at = plan.first_cluster; at < plan.first_cluster + count; ++at) plan.Need(at / per_block);
    plan.table_clusters = DivideRoundingUp(plan.blocks.size() * kRefcountTableEntrySize, cluster);
  }
  if (plan.table_clusters << state.header.cluster_bits > kMaxRefcountTableBytes) {
    return Error(ErrorKind::kLimit, "the image's clusters need a larger refcount table than the format allows")
        .Found(plan.table_clusters << state.header.cluster_bits)
        .Allowed("up to 8388608 bytes");
  }
  return plan;
}

std::vector<std::byte> FillBlock(const CheckState& state, const RefcountMap& counts, const Plan& plan,
                                 std::uint64_t block) {
  const std::uint64_t per_block = state.stored.clusters_per_block();
  std::vector<std::byte> bytes(state.header.cluster_size());
  for (std::uint64_t i = 0; i < per_block; ++i) {
    const std::uint64_t cluster = block * per_block + i;
    const std::uint64_t count = plan.Holds(cluster) ? 1 : counts.Get(cluster);
    if (count != 0) SetRefcount(bytes, i, state.header.refcount_order, count);
  }
  return bytes;
}

// The part of the header that says where the refcount and snapshot tables are, in one write.
Result<> WriteTablePointers(CheckState& state) {
  constexpr std::size_t kFirst = HeaderV2::kRefcountTableOffset.offset;
  std::array<std::byte, HeaderV2::kSize> head{};
  RecordEditor<HeaderV2> editor(head);
  editor.Set<HeaderV2::kRefcountTableOffset>(state.header.refcount_table_offset);
  editor.Set<HeaderV2::kRefcountTableClusters>(state.header.refcount_table_clusters);
  editor.Set<HeaderV2::kSnapshotCount>(state.header.snapshot_count);
  editor.Set<HeaderV2::kSnapshotsOffset>(state.header.snapshots_offset);
  PLATTER_CHECK(state.tables.Write(kFirst, std::span(head).subspan(kFirst)));
  return state.storage.Sync();
}

}  // namespace

std::uint64_t FindFreeTail(CheckState& state, const RefcountMap& counts, std::uint64_t count) {
  if (!state.storage.is_device()) {
    const std::uint64_t end = DivideRoundingUp(state.storage.size(), state.header.cluster_size());
    return state.dangling.FindRun(std::max(end, counts.size()), count);
  }
  // A device cannot grow: behind the last cluster in use, the old refcount structure included.
  std::uint64_t end = state.cluster_of(state.header.refcount_table_offset) + state.header.refcount_table_clusters;
  for (const std::uint64_t entry : state.stored.table()) {
    const std::uint64_t block = state.cluster_of(entry & ~kRefcountTableReserved);
    if (block < counts.size()) end = std::max(end, block + 1);
  }
  for (std::uint64_t at = counts.size(); at > end; --at) {
    if (counts.Get(at - 1) != 0) end = at;
  }
  return end;
}

Result<> RebuildRefcounts(CheckState& state, const RefcountMap& counts) {
  const Plan plan = PLATTER_TRY(MakePlan(state, counts));
  const std::uint32_t bits = state.header.cluster_bits;
  std::vector<std::byte> table(plan.table_clusters << bits);
  std::uint64_t at = plan.first_cluster << bits;
  for (std::uint64_t block = 0; block < plan.blocks.size(); ++block) {
    if (!plan.blocks[block]) continue;
    PLATTER_CHECK(state.tables.Write(at, FillBlock(state, counts, plan, block)));
    StoreBe(table.data() + block * kRefcountTableEntrySize, at);
    at += state.header.cluster_size();
  }
  PLATTER_CHECK(state.tables.Write(at, table));
  PLATTER_CHECK(state.storage.Sync());
  state.header.refcount_table_offset = at;
  state.header.refcount_table_clusters = static_cast<std::uint32_t>(plan.table_clusters);
  PLATTER_CHECK(WriteTablePointers(state));
  return state.stored.Load();
}

Result<> MarkClean(CheckState& state) {
  constexpr std::uint64_t kTroubled = kIncompatDirty | kIncompatCorrupt;
  if (state.header.version < 3 || !state.header.has(kTroubled)) return Done{};
  PLATTER_CHECK(state.storage.Sync());
  state.header.incompatible_features &= ~kTroubled;
  std::array<std::byte, HeaderV3::kIncompatibleFeatures.kWidth> bytes{};
  StoreBe(bytes.data(), state.header.incompatible_features);
  PLATTER_CHECK(state.tables.Write(HeaderV3::kIncompatibleFeatures.offset, bytes));
  return state.storage.Sync();
}

}  // namespace platter::qcow2
