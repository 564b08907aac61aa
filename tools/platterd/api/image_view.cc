#include "tools/platterd/api/image_view.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "formats/core/json.h"

namespace platter::platterd {
namespace {

void TextOrNull(JsonObject& out, std::string_view key, const std::optional<std::string>& text) {
  if (text) {
    out.Text(key, *text);
  } else {
    out.Json(key, "null");
  }
}

std::string LocationsJson(const registry::ImageRecord& image) {
  std::vector<std::string> locations;
  for (const registry::Location& location : image.locations) {
    JsonObject metadata;
    for (const auto& [key, value] : location.metadata) metadata.Json(key, value);
    locations.push_back(JsonObject().Text("url", location.url).Json("metadata", metadata.Finish()).Finish());
  }
  return JsonList(locations);
}

std::string StoresOf(const registry::ImageRecord& image) {
  std::set<std::string> names;
  for (const registry::Location& location : image.locations) {
    if (!location.store.empty()) names.insert(location.store);
  }
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

std::string ImageJson(const registry::ImageRecord& image, const ApiOptions& options) {
  JsonObject out;
  for (const auto& [name, value] : image.properties) out.Text(name, value);
  TextOrNull(out, "name", image.name);
  TextOrNull(out, "disk_format", image.disk_format);
  TextOrNull(out, "container_format", image.container_format);
  out.Text("visibility", VisibilityName(image.visibility));
  out.Number("size", image.size);
  out.Number("virtual_size", image.virtual_size);
  out.Text("status", StatusName(image.status));
  TextOrNull(out, "checksum", image.checksum);
  out.Flag("protected", image.is_protected);
  out.Number("min_ram", image.min_ram);
  out.Number("min_disk", image.min_disk);
  TextOrNull(out, "owner", image.owner);
  out.Flag("os_hidden", image.hidden);
  TextOrNull(out, "os_hash_algo", image.hash_algorithm);
  TextOrNull(out, "os_hash_value", image.hash_value);
  out.Text("id", image.id);
  out.Text("created_at", registry::FormatInstant(image.created));
  out.Text("updated_at", registry::FormatInstant(image.updated));
  if (options.show_multiple_locations) out.Json("locations", LocationsJson(image));
  if (options.show_image_direct_url && !image.locations.empty()) out.Text("direct_url", image.locations.front().url);
  std::vector<std::string> tags;
  for (const std::string& tag : image.tags) tags.push_back(JsonString(tag));
  out.Json("tags", JsonList(tags));
  out.Text("self", fmt::format("/v2/images/{}", image.id));
  out.Text("file", fmt::format("/v2/images/{}/file", image.id));
  out.Text("schema", "/v2/schemas/image");
  if (options.many_stores && !image.locations.empty()) out.Text("stores", StoresOf(image));
  return out.Finish();
}

std::string MemberJson(const registry::Member& member) {
  return JsonObject()
      .Text("member_id", member.project)
      .Text("image_id", member.image)
      .Text("status", MemberStatusName(member.status))
      .Text("created_at", registry::FormatInstant(member.created))
      .Text("updated_at", registry::FormatInstant(member.updated))
      .Text("schema", "/v2/schemas/member")
      .Finish();
}

std::string TaskJson(const registry::TaskRecord& task, bool brief) {
  JsonObject out;
  out.Text("id", task.id).Text("type", task.type).Text("status", task.status).Text("owner", task.owner);
  if (!brief) {
    out.Json("input", task.input.empty() ? "null" : task.input);
    out.Json("result", task.result.empty() ? "null" : task.result);
    out.Text("message", task.message);
  }
  out.Text("image_id", task.image).Text("request_id", task.request).Text("user_id", task.user);
  if (task.expires) {
    out.Text("expires_at", registry::FormatInstant(*task.expires));
  } else {
    out.Json("expires_at", "null");
  }
  return out.Text("created_at", registry::FormatInstant(task.created))
      .Text("updated_at", registry::FormatInstant(task.updated))
      .Text("self", fmt::format("/v2/tasks/{}", task.id))
      .Text("schema", "/v2/schemas/task")
      .Finish();
}

}  // namespace platter::platterd
