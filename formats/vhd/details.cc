#include "formats/vhd/details.h"

#include <fmt/format.h>

#include "formats/vhd/identity.h"

namespace platter::vhd {
namespace {

std::string FooterNote(const Headers& headers) {
  using State = FooterCopy::State;
  const FooterCopies& copies = headers.copies;
  if (copies.back.state == State::kAbsent) return "missing at the end of the file: the copy at its start was used";
  if (copies.back.state == State::kDamaged) return "damaged at the end of the file: the copy at its start was used";
  if (headers.footer.disk_type == kTypeFixed) return "";
  if (copies.front.state == State::kAbsent) return "the copy at the start of the file is missing";
  if (copies.front.state == State::kDamaged) return "the copy at the start of the file is damaged";
  return copies.front.footer == copies.back.footer ? "" : "the copies at both ends of the file differ";
}

}  // namespace

std::string_view SubformatName(const Footer& footer) noexcept {
  if (footer.disk_type == kTypeFixed) return "fixed";
  return footer.differencing() ? "differencing" : "dynamic";
}

Detail DescribeFurther(const Headers& headers) {
  const Footer& footer = headers.footer;
  const Geometry& geometry = footer.geometry;
  Detail detail;
  detail.Add("subformat", SubformatName(footer));
  if (const std::string id = FormatId(footer.id); !id.empty()) detail.Add("uuid", id);
  if (footer.differencing()) detail.Add("parent-uuid", FormatId(headers.sparse->parent_id));
  detail.Add("creator", FormatCode(footer.creator)).Add("creator-os", FormatCode(footer.creator_host));
  detail.Add("geometry", fmt::format("{}/{}/{}", geometry.cylinders, geometry.heads, geometry.sectors_per_track));
  if (footer.current_size != headers.virtual_size) detail.Add("current-size", footer.current_size);
  if (footer.saved_state) detail.Add("saved-state", true);
  if (const std::string note = FooterNote(headers); !note.empty()) detail.Add("footer", note);
  return detail;
}

}  // namespace platter::vhd
