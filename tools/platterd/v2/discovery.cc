#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "formats/core/json.h"
#include "registry-core/access/access.h"
#include "tools/platterd/api/image_schema.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

// Newest first, as Glance 25.1 without a cache announces them.
struct Version {
  std::string_view number;
  bool many_stores;  // announced only where there are several stores
};
constexpr Version kVersions[] = {
    {"2.15", false}, {"2.13", true}, {"2.12", true}, {"2.11", true}, {"2.10", true},
    {"2.9", false},  {"2.8", true},  {"2.7", false}, {"2.6", false}, {"2.5", false},
    {"2.4", false},  {"2.3", false}, {"2.2", false}, {"2.1", false}, {"2.0", false},
};

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

std::string PropertiesJson(const registry::Store& store) {
  // A store with several folders names them all.
  std::map<std::string, std::string> properties;
  for (const auto& [name, value] : store.properties()) {
    std::string& text = properties[name];
    text += text.empty() ? value : "," + value;
  }
  JsonObject out;
  for (const auto& [name, value] : properties) out.Text(name, value);
  return out.Finish();
}

Reply StoresResponse(const Backend& backend, bool in_detail) {
  if (!backend.options.many_stores) return NotFound("Multi backend is not supported at this site.");
  std::vector<std::string> stores;
  for (const auto& store : backend.stores().all()) {
    JsonObject out;
    out.Text("id", store->name());
    const auto description = backend.store_descriptions.find(store->name());
    if (description != backend.store_descriptions.end() && !description->second.empty()) {
      out.Text("description", description->second);
    }
    // Words, not flags: so does Glance.
    if (store.get() == &backend.stores().default_store()) out.Text("default", "true");
    if (store->read_only()) out.Text("read-only", "true");
    if (in_detail) out.Text("type", store->type()).Json("properties", PropertiesJson(*store));
    stores.push_back(out.Finish());
  }
  return JsonResponse(200, JsonObject().Json("stores", JsonList(stores)).Finish());
}

std::string UsageJson(std::uint64_t used, std::optional<std::uint64_t> limit) {
  return JsonObject()
      .Number("usage", used)
      .Json("limit", limit ? fmt::format("{}", *limit) : std::string("-1"))
      .Finish();
}

}  // namespace

Reply ShowSchema(const Backend& backend, const Call& call) {
  std::string document = SchemaDocument(call.parameters[0], backend.options);
  if (document.empty()) return NotFound("The resource could not be found.");
  return JsonResponse(200, std::move(document));
}

Reply ShowImportMethods(const Backend& backend, const Call&) {
  std::vector<std::string> methods;
  for (const std::string& method : backend.options.import_methods) methods.push_back(JsonString(method));
  const std::string value = JsonObject()
                                .Text("description", "Import methods available.")
                                .Text("type", "array")
                                .Json("value", JsonList(methods))
                                .Finish();
  return JsonResponse(200, JsonObject().Json("import-methods", value).Finish());
}

Reply ShowStores(const Backend& backend, const Call&) { return StoresResponse(backend, false); }

Reply ShowStoresInDetail(const Backend& backend, const Call& call) {
  PLATTER_CHECK(registry::MayAdminister(call.caller));
  return StoresResponse(backend, true);
}

// Sizes in MiB, as the names of Glance's limits have them; nothing where the service sets no limit.
Reply ShowUsage(const Backend& backend, const Call& call) {
  const auto& quota = backend.ingest.rules.quota_bytes;
  JsonObject usage;
  if (quota) {
    const registry::Usage used = PLATTER_TRY(backend.catalog().UsageOf(call.caller.project));
    usage.Json("image_size_total", UsageJson(used.bytes / kMebibyte, *quota / kMebibyte));
    usage.Json("image_stage_total", UsageJson(used.staged / kMebibyte, std::nullopt));
    usage.Json("image_count_total", UsageJson(used.images, std::nullopt));
    usage.Json("image_count_uploading", UsageJson(used.uploading, std::nullopt));
  }
  return JsonResponse(200, JsonObject().Json("usage", usage.Finish()).Finish());
}

std::string VersionsDocument(const ApiOptions& options, std::string_view base) {
  const std::string link = JsonObject().Text("rel", "self").Text("href", fmt::format("{}/v2/", base)).Finish();
  std::vector<std::string> versions;
  for (const Version& version : kVersions) {
    if (version.many_stores && !options.many_stores) continue;
    versions.push_back(JsonObject()
                           .Text("id", fmt::format("v{}", version.number))
                           .Text("status", versions.empty() ? "CURRENT" : "SUPPORTED")
                           .Json("links", JsonList({link}))
                           .Finish());
  }
  return JsonObject().Json("versions", JsonList(versions)).Finish();
}

bool IsVersion(const ApiOptions& options, std::string_view segment) {
  if (segment == "v2") return true;
  if (!segment.starts_with('v')) return false;
  const auto* const version = std::ranges::find(kVersions, segment.substr(1), &Version::number);
  return version != std::end(kVersions) && (options.many_stores || !version->many_stores);
}

}  // namespace platter::platterd
