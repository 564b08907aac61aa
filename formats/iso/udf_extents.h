// The allocation descriptors of a UDF file entry as the pieces of a file.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/pieces.h"
#include "formats/iso/udf_volume.h"

namespace platter::iso {

struct UdfContent {
  std::span<const std::byte> descriptors;  // the file entry's own
  udf::AllocationForm form = udf::AllocationForm::kShort;
  std::uint16_t partition = 0;  // that short descriptors count in
  std::uint64_t size = 0;       // bytes of the file
};

// Follows continuations. kCorrupt for addresses outside the partition, continuations that never end, and descriptors
// that cover less than the size; kUnsupported for extended descriptors.
Result<std::shared_ptr<PiecesStorage>> ReadUdfExtents(const std::shared_ptr<Storage>& storage, const UdfVolume& volume,
                                                      const UdfContent& content, const std::string& name);

}  // namespace platter::iso
