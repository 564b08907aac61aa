#include "formats/qcow2/check.h"

#include <algorithm>

#include "formats/qcow2/check_state.h"
#include "formats/qcow2/compare_refcounts.h"
#include "formats/qcow2/copied_flags.h"
#include "formats/qcow2/details.h"
#include "formats/qcow2/reader.h"
#include "formats/qcow2/refcount_entry.h"
#include "formats/qcow2/refcount_rebuild.h"
#include "formats/qcow2/reference_walk.h"
#include "formats/qcow2/snapshot_check.h"

namespace platter::qcow2 {
namespace {

// Counts take two bytes for each referenced cluster, and a referenced cluster costs an image eight bytes of L2 table at
// least: an image whose counts take more than a quarter of its own space has few references strewn far apart.
RefcountMap MakeCounts(const CheckState& state) {
  const std::uint64_t memory = state.request.context.limits.metadata_bytes + state.storage.allocated_size() / 4;
  return RefcountMap(MaxRefcount(state.header.refcount_order), memory);
}

// Everything but the refcount structure counted without a word, for a structure that is to replace it.
Result<RefcountMap> CountForRebuild(CheckState& state) {
  const CheckReport report = state.report;
  const Repair repair = std::exchange(state.repair, Repair::kNothing);
  state.quiet = true;
  RefcountMap counts = MakeCounts(state);
  PLATTER_CHECK(ReferenceWalk(state, counts).CountAllButRefcounts());
  state.quiet = false;
  state.repair = repair;
  state.report = report;
  return counts;
}

void ClearFigures(CheckReport& report) {
  report.allocated_clusters = report.compressed_clusters = report.fragmented_clusters = 0;
}

Result<> RebuildAndCheckAgain(CheckState& state) {
  state.Log("Rebuilding refcount structure");
  const RefcountMap for_rebuild = PLATTER_TRY(CountForRebuild(state));
  PLATTER_CHECK(RebuildRefcounts(state, for_rebuild));
  CheckReport& report = state.report;
  const CheckReport before = report;
  report.corruptions = report.leaks = 0;
  ClearFigures(report);
  state.rebuild = false;
  const Repair repair = std::exchange(state.repair, Repair::kNothing);
  RefcountMap counts = MakeCounts(state);
  PLATTER_CHECK(ReferenceWalk(state, counts).CountAll());
  PLATTER_CHECK(CompareRefcounts(state, counts, Repair::kNothing));
  state.repair = repair;
  if (state.rebuild) {
    state.Log("ERROR rebuilt refcount structure is still broken");
    return Error(ErrorKind::kCorrupt, "rebuilt refcount structure is still broken").In(state.storage.name());
  }
  if (report.corruptions < before.corruptions) report.corruptions_fixed += before.corruptions - report.corruptions;
  if (report.leaks < before.leaks) report.leaks_fixed += before.leaks - report.leaks;
  return Done{};
}

Result<> CheckRefcounts(CheckState& state) {
  RefcountMap counts = MakeCounts(state);
  PLATTER_CHECK(ReferenceWalk(state, counts).CountAll());
  const CheckReport walked = state.report;
  PLATTER_CHECK(CompareRefcounts(state, counts, Repair::kNothing));
  if (state.rebuild && state.repairs_all()) return RebuildAndCheckAgain(state);
  if (!state.repairs_leaks()) return Done{};
  if (state.rebuild) {
    state.Log("ERROR need to rebuild refcount structures");
    return Error(ErrorKind::kCorrupt, "refcount structures need to be rebuilt")
        .In(state.storage.name())
        .Try("run platter check -r all");
  }
  if (state.report.leaks == 0 && state.report.corruptions == 0) return Done{};
  state.report = walked;
  PLATTER_CHECK(CompareRefcounts(state, counts, state.repair));
  return state.storage.Sync();
}

// Writes the snapshot table anew; like the refcount structure that has to count it, it becomes valid with the header.
Result<> RepairSnapshotTable(CheckState& state) {
  const RefcountMap counts = PLATTER_TRY(CountForRebuild(state));
  const std::vector<std::byte> table = PLATTER_TRY(MendSnapshotTable(state));
  const std::uint64_t clusters = DivideRoundingUp<std::uint64_t>(table.size(), state.header.cluster_size());
  const std::uint64_t offset = FindFreeTail(state, counts, clusters) << state.header.cluster_bits;
  PLATTER_CHECK(state.tables.Write(offset, table));
  state.snapshot_table_size = table.size();
  state.header.snapshots_offset = offset;
  return RebuildRefcounts(state, PLATTER_TRY(CountForRebuild(state)));
}

Result<CheckReport> RunPass(const CheckRequest& request, Repair repair) {
  Header header = PLATTER_TRY(ReadHeader(*request.storage, Tolerance::kCheck));
  // Without its LUKS header the disk is lost, and nothing here can bring that back.
  if (header.crypt_method != CryptMethod::kNone) PLATTER_CHECK(DescribeEncryption(*request.storage, header));
  CheckState state(request, header);
  state.repair = repair;
  state.report.total_clusters = DivideRoundingUp(header.virtual_size, header.cluster_size());
  PLATTER_CHECK(state.stored.Load());
  const std::uint64_t in_snapshot_table = PLATTER_TRY(ReadSnapshotTable(state));
  PLATTER_CHECK(CheckRefcounts(state));
  CheckReport& report = state.report;
  const bool sound = report.check_errors == 0 && report.corruptions == 0 && report.leaks == 0;
  // Flags follow the refcounts: to correct them is no risk where those are right, even when only leaks are to be fixed.
  PLATTER_CHECK(CheckCopiedFlags(state, state.repairs_all() || (state.repairs_leaks() && sound)));
  if (in_snapshot_table != 0 && state.repairs_all()) {
    PLATTER_CHECK(RepairSnapshotTable(state));
    report.corruptions_fixed += in_snapshot_table;
  } else {
    report.corruptions += in_snapshot_table;
  }
  if (state.repairs_leaks() && report.check_errors == 0 && report.corruptions == 0) PLATTER_CHECK(MarkClean(state));
  return report;
}

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  const CheckReport first = PLATTER_TRY(RunPass(request, request.repair));
  if (first.corruptions_fixed == 0 && first.leaks_fixed == 0) return first;
  CheckReport second = PLATTER_TRY(RunPass(request, Repair::kNothing));
  second.corruptions_fixed = first.corruptions_fixed;
  second.leaks_fixed = first.leaks_fixed;
  return second;
}

}  // namespace platter::qcow2
