// ApiOptions: what an operator decides about the image API, version 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry-core/access/access.h"

namespace platter::platterd {

struct ApiOptions {
  std::optional<std::string> public_endpoint;  // [DEFAULT] public_endpoint, without a slash at its end
  bool show_image_direct_url = false;          // [DEFAULT]
  bool show_multiple_locations = false;        // [DEFAULT]; "locations" may then be patched, too
  std::uint32_t limit_default = 25;            // [DEFAULT] limit_param_default
  std::uint32_t limit_max = 1000;              // [DEFAULT] api_limit_max
  std::uint32_t property_quota = 128;          // [DEFAULT] image_property_quota
  std::uint32_t tag_quota = 128;               // [DEFAULT] image_tag_quota
  std::uint32_t member_quota = 128;            // [DEFAULT] image_member_quota
  std::uint32_t location_quota = 10;           // [DEFAULT] image_location_quota
  bool many_stores = false;                    // enabled_backends is set: info/stores answers
  std::vector<std::string> import_methods = {"glance-direct", "web-download"};  // [DEFAULT] enabled_import_methods
  registry::AccessRules access;
  // [image_format] disk_formats, container_formats; empty: all that there are.
  std::vector<std::string> disk_formats;
  std::vector<std::string> container_formats;
};

}  // namespace platter::platterd
