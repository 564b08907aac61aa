#include "formats/vdi/inspect.h"

#include "formats/vdi/reader.h"

namespace platter::vdi {

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
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
  return Done{};
}

}  // namespace platter::vdi
