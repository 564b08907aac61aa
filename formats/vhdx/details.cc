#include "formats/vhdx/details.h"

#include <string_view>
#include <utility>

namespace platter::vhdx {
namespace {

std::string_view SubformatOf(const Geometry& geometry) {
  if (geometry.has_parent) return "differencing";
  return geometry.fixed ? "fixed" : "dynamic";
}

}  // namespace

Result<Detail> DescribeFurther(const Structure& structure) {
  const Geometry& geometry = structure.metadata.geometry;
  const Header& header = structure.headers.header();
  Detail detail;
  detail.Add("subformat", SubformatOf(geometry));
  detail.Add("creator", PLATTER_TRY(ReadCreator(*structure.storage)));
  detail.Add("logical-sector-size", geometry.logical_sector).Add("physical-sector-size", geometry.physical_sector);
  detail.Add("disk-id", structure.metadata.disk_id.Text()).Add("data-write-guid", header.data_write.Text());
  detail.Add("log-size", header.log.length);
  if (structure.dirty()) detail.Add("log-entries", std::uint64_t{structure.replayed_entries});
  if (structure.metadata.parent) {
    Detail locator;
    for (const auto& [key, value] : structure.metadata.parent->pairs) locator.Add(key, value);
    detail.Add("parent-locator", std::move(locator));
  }
  return detail;
}

}  // namespace platter::vhdx
