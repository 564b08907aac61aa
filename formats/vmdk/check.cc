#include "formats/vmdk/check.h"

#include <fmt/format.h>

#include "formats/vmdk/extent_check.h"
#include "formats/vmdk/reader.h"

namespace platter::vmdk {
namespace {

// All that qemu looks at: does every grain begin inside its file. It gives up at the first one that does not.
Result<> CheckAsQemu(const CheckRequest& request, const ExtentFile& extent) {
  GrainMap& map = *extent.grains;
  const GrainTables& tables = map.tables();
  const std::uint64_t entries = tables.directory_entries;
  for (std::uint64_t index = 0; index < entries; index = PLATTER_TRY(map.NextTable(index, entries - 1, false))) {
    const auto table = map.TableAt(index, false);
    if (!table.ok() || table.value() == 0) continue;  // what lies outside the file reads as zeros to qemu
    std::uint64_t guest = index * tables.table_span();
    for (std::uint64_t entry = 0; entry < tables.table_entries && guest < tables.capacity; ++entry) {
      const GrainRun grain = PLATTER_TRY(map.Decode(table.value(), entry, guest, true));
      const bool stored = grain.kind == GrainKind::kData || grain.kind == GrainKind::kCompressed;
      if (stored && grain.host >= extent.storage->size()) {
        request.log(
            fmt::format("ERROR: cluster offset for sector {} points after EOF", (extent.begin + guest) / kSectorSize));
        return Error(ErrorKind::kCorrupt, "Check failed: Invalid argument").In(extent.storage->name());
      }
      guest += tables.grain_size;
      if (grain.kind != GrainKind::kUnallocated) continue;
      const std::uint64_t empty =
          PLATTER_TRY(map.EmptyEntries(table.value(), entry + 1, tables.table_entries - entry - 1));
      entry += empty;
      guest += empty * tables.grain_size;
    }
  }
  return Done{};
}

void Find(const CheckRequest& request, CheckReport& report, const std::string& what) {
  ++report.corruptions;
  request.log("ERROR " + what);
}

void CompareSizes(const CheckRequest& request, const Foundation& foundation, CheckReport& report) {
  if (!foundation.hosted || foundation.descriptor.extents.size() != 1) return;
  const std::uint64_t described = foundation.descriptor.extents.front().sectors;
  const SparseHeader& header = foundation.hosted->header;
  if (described == header.capacity || header.RoundsUp(described)) return;
  Find(request, report, fmt::format("the descriptor says {} sectors, the header {}", described, header.capacity));
}

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  const Foundation foundation = PLATTER_TRY(ReadFoundation(*request.storage, request.context));
  const auto extents = PLATTER_TRY(OpenAllExtents(request.storage, foundation, request.context));
  CheckReport report;
  const bool as_qemu = request.context.dialect == Dialect::kQemu;
  if (!as_qemu) CompareSizes(request, foundation, report);
  for (const ExtentFile& extent : extents) {
    if (extent.grains == nullptr) continue;
    if (as_qemu) {
      PLATTER_CHECK(CheckAsQemu(request, extent));
      continue;
    }
    if (extent.hosted && extent.hosted->directory_damaged) {
      Find(request, report,
           fmt::format("{}: the grain directory is damaged, its copy is sound", extent.storage->name()));
    }
    PLATTER_CHECK(CheckExtent(request, extent, report));
  }
  return report;
}

}  // namespace platter::vmdk
