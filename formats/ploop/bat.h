// Where guest clusters lie: the block allocation table.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "formats/core/checked.h"
#include "formats/core/entry_table.h"
#include "formats/core/limits.h"
#include "formats/core/number_set.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/table_cache.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

struct ClusterRun {
  std::uint64_t length = 0;                          // guest bytes
  std::optional<std::uint64_t> host = std::nullopt;  // host bytes where the run begins; empty: unallocated
};

// Thread-safe.
class Bat {
 public:
  // Keeps `storage` open.
  Bat(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits);

  // The run at range.offset(), joined with what continues it; not longer than the range. kIo; kCorrupt with the entry
  // that is misplaced, outside the file, or the same as another one; kLimit. Requires: range not empty and inside the
  // disk.
  Result<ClusterRun> At(ByteRange range);

 private:
  Result<ClusterRun> ClusterAt(std::uint64_t guest);
  Result<bool> IsRepeated(std::uint32_t place);

  std::shared_ptr<Storage> storage_;
  Header header_;
  Limits limits_;
  std::uint64_t file_size_;
  TableCache entries_;
  std::mutex mutex_;                   // of repeated_
  std::optional<NumberSet> repeated_;  // places; looked for when the first entry is
};

// Calls `visit(cluster, entry)` for every entry that is not 0, in order. kIo, and what `visit` returns.
template <class Visit>
Result<> ForEachEntry(Storage& storage, const Header& header, Visit visit) {
  for (std::uint64_t cluster = 0; cluster < header.entries;) {
    const std::uint64_t rest = header.entries - cluster;
    const DataRun run = PLATTER_TRY(storage.DataMap(header.EntryOffset(cluster)));
    if (!run.data && run.length / kEntrySize != 0) {
      cluster += std::min(run.length / kEntrySize, rest);
      continue;
    }
    const std::uint64_t count = std::min(kTablePieceEntries, rest);
    const auto visit_used = [&](std::uint64_t index, std::uint32_t entry) -> Result<> {
      return entry == 0 ? Done{} : visit(cluster + index, entry);
    };
    PLATTER_CHECK(ForEachTableEntry(storage, header.EntryOffset(cluster), count, visit_used));
    cluster += count;
  }
  return Done{};
}

}  // namespace platter::ploop
