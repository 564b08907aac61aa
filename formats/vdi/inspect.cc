#include "formats/vdi/inspect.h"

#include <fmt/format.h>

#include "formats/vdi/reader.h"
#include "formats/vdi/repeated_places.h"

namespace platter::vdi {
namespace {

// Entries that name a place for a block.
Result<std::uint64_t> CountBlocks(Storage& storage, const Header& header) {
  std::uint64_t count = 0;
  PLATTER_CHECK(ForEachEntry(storage, header, [&](std::uint64_t /*block*/, std::uint32_t entry) -> Result<> {
    if (entry < header.blocks) ++count;
    return Done{};
  }));
  return count;
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  const Header header = PLATTER_TRY(ReadHeader(*storage, Dialect::kPlatter));
  inspection.variant = TypeName(header.type);
  // Cannot wrap: 32-bit counts of blocks below 2^32 bytes behind a 32-bit offset.
  inspection.expected_length = header.data_offset + header.allocated_blocks * header.stride();
  const auto add = [&](std::string code, Concern concern, std::uint64_t value, std::string message) {
    inspection.findings.push_back({.code = std::move(code),
                                   .severity = SeverityOf(concern),
                                   .concern = concern,
                                   .value = std::to_string(value),
                                   .message = std::move(message)});
  };
  if (header.allocated_blocks > header.blocks) {
    add("vdi.allocated_blocks", Concern::kCorrupt, header.allocated_blocks,
        "more blocks are said to be allocated than the disk has");
  }
  // qemu passes over the field: it reads each block somewhere else.
  if (header.block_extra != 0) {
    add("vdi.block_extra", Concern::kAmbiguous, header.block_extra,
        "there is room in front of each block, which not every program knows of");
  }
  if (header.allocated_blocks > header.blocks || header.map_bytes() > limits.metadata_bytes) return Done{};
  const std::uint64_t named = PLATTER_TRY(CountBlocks(*storage, header));
  if (named != header.allocated_blocks) {
    add("vdi.allocated_blocks", Concern::kCorrupt, header.allocated_blocks,
        fmt::format("the map names {} blocks, the header says another number", named));
  }
  return Done{};
}

}  // namespace platter::vdi
