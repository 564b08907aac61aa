// The snapshot table in a check: read with its faults, and written anew without them.
#pragma once

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// Fills state.snapshots and state.snapshot_table_size. The value counts the corruptions that MendSnapshotTable mends:
// version 3 entries without the extra data that they must have, and, with Repair::kAll, extra data over the limit (an
// error otherwise). kCorrupt when the table cannot be understood.
Result<std::uint64_t> ReadSnapshotTable(CheckState& state);

// The table in its proper form.
Result<std::vector<std::byte>> MendSnapshotTable(CheckState& state);

}  // namespace platter::qcow2
