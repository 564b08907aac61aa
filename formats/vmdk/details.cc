#include "formats/vmdk/details.h"

#include <algorithm>
#include <string>
#include <utility>

namespace platter::vmdk {
namespace {

std::string_view TypeOf(const ExtentFile& extent) {
  if (!extent.described) return "";
  return extent.line.type == ExtentType::kOther ? std::string_view(extent.line.other_type)
                                                : ExtentTypeName(extent.line.type);
}

Detail DescribeExtent(const ExtentFile& extent) {
  Detail detail;
  detail.Add("virtual-size", extent.length);
  detail.Add("filename", extent.storage == nullptr ? extent.line.file : extent.storage->name());
  if (extent.grains != nullptr) {
    if (extent.grains->tables().compressed) detail.Add("compressed", true);
    detail.Add("cluster-size", extent.grains->tables().grain_size);
  }
  detail.Add("format", TypeOf(extent));
  return detail;
}

}  // namespace

Detail Describe(const Descriptor& descriptor, std::span<const ExtentFile> extents) {
  Detail detail;
  detail.Add("cid", descriptor.cid).Add("parent-cid", descriptor.parent_cid);
  detail.Add("create-type", descriptor.create_type);
  Detail::List list;
  for (const ExtentFile& extent : extents) list.push_back(DescribeExtent(extent));
  detail.Add("extents", std::move(list));
  return detail;
}

Detail DescribeFurther(const Descriptor& descriptor, std::span<const ExtentFile> extents) {
  Detail detail;
  const auto add_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) detail.Add(key, value);
  };
  add_text("encoding", descriptor.encoding);
  if (const std::string* adapter = descriptor.FindDdb("ddb.adapterType")) add_text("adapter-type", *adapter);
  if (const std::string* version = descriptor.FindDdb("ddb.virtualHWVersion")) add_text("hardware-version", *version);
  add_text("change-tracking-file", descriptor.change_track_path);
  Detail::List missing;
  Detail::List damaged;
  for (const ExtentFile& extent : extents) {
    if (extent.storage == nullptr && !extent.zero()) missing.emplace_back(extent.line.file);
    if (extent.hosted && extent.hosted->directory_damaged) damaged.emplace_back(extent.storage->name());
  }
  const bool unclean = std::ranges::any_of(
      extents, [](const ExtentFile& extent) { return extent.hosted && extent.hosted->header.unclean; });
  if (unclean) detail.Add("unclean-shutdown", true);
  if (!missing.empty()) detail.Add("missing-extents", std::move(missing));
  if (!damaged.empty()) detail.Add("read-by-redundant-directory", std::move(damaged));
  return detail;
}

}  // namespace platter::vmdk
