// The table of internal snapshots.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/core/image.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

struct SnapshotRecord {
  SnapshotInfo info;
  std::uint64_t entry_offset = 0;     // host bytes: where the record stands
  std::uint64_t l1_table_offset = 0;  // host bytes; unchecked
  std::uint32_t l1_size = 0;          // entries; unchecked
};

// Every record of the table that `header` points at. kCorrupt, kLimit (limits.metadata_bytes), kIo.
Result<std::vector<SnapshotRecord>> ReadSnapshotTable(Storage& storage, const Header& header, const Limits& limits);

// kCorrupt unless the snapshot's L1 table is aligned, inside the file and large enough for its disk.
Result<> CheckSnapshotL1(const SnapshotRecord& snapshot, const Header& header, std::uint64_t file_size);

}  // namespace platter::qcow2
