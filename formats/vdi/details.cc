#include "formats/vdi/details.h"

#include <fmt/format.h>

namespace platter::vdi {

Detail DescribeFurther(const Header& header) {
  Detail detail;
  detail.Add("header-version", fmt::format("{}.{}", header.major_version, header.minor_version));
  detail.Add("image-type", TypeName(header.type));
  if (!header.text.empty()) detail.Add("created-by", header.text);
  if (!header.comment.empty()) detail.Add("comment", header.comment);
  if (header.flags != 0) detail.Add("image-flags", header.flags);
  if (header.block_extra != 0) detail.Add("block-extra", header.block_extra);
  detail.Add("allocated-blocks", header.allocated_blocks);
  detail.Add("uuid", ToText(header.creation_uuid));
  detail.Add("modification-uuid", ToText(header.modification_uuid));
  if (header.has_parent()) {
    detail.Add("parent-uuid", ToText(header.linkage_uuid));
    detail.Add("parent-modification-uuid", ToText(header.parent_modification_uuid));
  }
  if (header.cylinders != 0) {
    detail.Add("geometry", fmt::format("{}/{}/{}", header.cylinders, header.heads, header.sectors));
  }
  return detail;
}

}  // namespace platter::vdi
