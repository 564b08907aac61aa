// Where guest clusters lie: the walk through the two levels of tables.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/checked.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/table_cache.h"
#include "formats/qcow/header.h"

namespace platter::qcow {

enum class ClusterKind : std::uint8_t { kUnallocated, kData, kCompressedData };

struct ClusterRun {
  std::uint64_t length = 0;  // guest bytes
  ClusterKind kind = ClusterKind::kUnallocated;
  std::uint64_t host = 0;    // host bytes where the run begins; of a compressed run: its first cluster's stream
  std::uint64_t stored = 0;  // bytes of that stream
};

// Thread-safe.
class ClusterMap {
 public:
  ClusterMap(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits);

  // As At, of the one cluster that holds the range's start.
  Result<ClusterRun> ClusterAt(ByteRange range);
  // The run at range.offset(), joined with what continues it in its L2 table, or, where there is none, up to the next
  // one. Not longer than the range. kIo, kCorrupt with the entry that is wrong. Requires: range not empty and inside
  // the disk.
  Result<ClusterRun> At(ByteRange range);

 private:
  Result<std::uint64_t> Word(std::uint64_t offset);
  Result<std::uint64_t> L2Offset(std::uint64_t l1_index);
  // The number of the first L2 table behind that of L1 entry `index`; `last` + 1 when there is none up to `last`.
  Result<std::uint64_t> NextL2(std::uint64_t index, std::uint64_t last);
  Result<ClusterRun> DecodeAt(std::uint64_t l2_offset, std::uint64_t guest);

  Header header_;
  std::uint64_t file_size_;
  TableCache tables_;
};

}  // namespace platter::qcow
