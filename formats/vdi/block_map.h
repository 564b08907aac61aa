// Where guest blocks lie: the walk through the block map.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "formats/core/checked.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/table_cache.h"
#include "formats/vdi/header.h"
#include "formats/vdi/repeated_places.h"

namespace platter::vdi {

enum class BlockKind : std::uint8_t { kUnallocated, kZero, kData };

struct BlockRun {
  std::uint64_t length = 0;  // guest bytes
  BlockKind kind = BlockKind::kUnallocated;
  std::uint64_t host = 0;  // host bytes where the run begins; of kData
};

// Thread-safe.
class BlockMap {
 public:
  // Keeps `storage` open.
  BlockMap(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits);

  // The run at range.offset(), joined with what continues it; not longer than the range. kIo; kCorrupt with the entry
  // that points outside the file, or at a place that another entry points at too; kLimit. Requires: range not empty and
  // inside the disk.
  Result<BlockRun> At(ByteRange range);

 private:
  Result<BlockRun> BlockAt(std::uint64_t guest);
  Result<BlockRun> Decode(std::uint64_t block, std::uint32_t entry, std::uint64_t inside);
  Result<bool> IsRepeated(std::uint32_t place);

  std::shared_ptr<Storage> storage_;
  Header header_;
  Limits limits_;
  std::uint64_t file_size_;
  TableCache entries_;
  std::mutex mutex_;                        // of repeated_
  std::optional<RepeatedPlaces> repeated_;  // looked for when the first entry is
};

}  // namespace platter::vdi
