#include "formats/vdi/inspect.h"

#include "formats/vdi/reader.h"

namespace platter::vdi {

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  const Header header = PLATTER_TRY(ReadHeader(*storage, Dialect::kPlatter));
  inspection.variant = TypeName(header.type);
  // Cannot wrap: 32-bit counts of blocks below 2^32 bytes behind a 32-bit offset.
  inspection.expected_length = header.data_offset + header.allocated_blocks * header.stride();
  if (header.allocated_blocks > header.blocks) {
    inspection.findings.push_back({.code = "vdi.allocated_blocks",
                                   .severity = SeverityOf(Concern::kCorrupt),
                                   .concern = Concern::kCorrupt,
                                   .value = std::to_string(header.allocated_blocks),
                                   .message = "more blocks are said to be allocated than the disk has"});
  }
  return Done{};
}

}  // namespace platter::vdi
