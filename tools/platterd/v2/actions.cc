#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "formats/core/json.h"
#include "registry-core/access/access.h"
#include "tools/platterd/api/image_changes.h"
#include "tools/platterd/api/image_schema.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;
using registry::ImageRecord;
using registry::Status;

// From `from` into `to`; nothing happens where it is in `to` already.
Reply MoveImage(const Backend& backend, const Call& call, Status from, Status to, std::string_view action) {
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  PLATTER_CHECK(registry::MayModify(backend.options.access, call.caller, image));
  const auto move = [&](ImageRecord& record) -> Result<> {
    if (record.status == to) return Done{};
    if (record.status != from) {
      return Forbidden(fmt::format("Not allowed to {} image in status '{}'", action, StatusName(record.status)));
    }
    record.status = to;
    record.updated = registry::Now();
    return Done{};
  };
  if (image.status != to) PLATTER_CHECK(backend.catalog().Change(image.id, move));
  return EmptyResponse(204);
}

// The image whose tags are changed.
Result<ImageRecord> TaggedImage(const Backend& backend, const Call& call) {
  const std::string& id = call.parameters[0];
  auto found = VisibleImage(backend, call.caller, id);
  if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) {
    return NotFound(fmt::format("Image {} not found.", id));
  }
  ImageRecord image = PLATTER_TRY(std::move(found));
  if (!registry::MayModify(backend.options.access, call.caller, image).ok()) {
    return Forbidden(fmt::format("Not allowed to update tags for image {}.", id));
  }
  return image;
}

struct ImportOrder {
  std::string method;
  std::string url;
  registry::UploadTargets targets;
};

Result<bool> Flag(const json::object& body, std::string_view name, bool otherwise) {
  const json::value* value = body.if_contains({name.data(), name.size()});
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return Invalid(fmt::format("'{}' must be boolean value only", name));
  return value->get_bool();
}

Result<std::string> Text(const json::value* value, std::string_view complaint) {
  if (value == nullptr || !value->is_string()) return Invalid(std::string(complaint));
  return std::string(value->get_string());
}

Result<std::vector<std::string>> WantedStores(const Backend& backend, const Call& call, const json::object& body) {
  const auto header = call.request.headers.Find("X-Image-Meta-Store");
  const json::value* listed = body.if_contains("stores");
  std::vector<std::string> asked;
  if (PLATTER_TRY(Flag(body, "all_stores", false))) {
    if (listed != nullptr || header) {
      return Invalid("All_stores parameter can't be used with x-image-meta-store header or stores parameter");
    }
    for (const auto& store : backend.stores().all()) {
      if (!store->read_only()) asked.push_back(store->name());
    }
    return asked;
  }
  if (listed != nullptr && header) {
    return Invalid("Stores parameter and x-image-meta-store header can't be both specified");
  }
  if (listed != nullptr && !listed->is_array()) return Invalid("'stores' must be a list of names");
  if (listed != nullptr) {
    for (const json::value& name : listed->get_array()) {
      asked.push_back(PLATTER_TRY(Text(&name, "'stores' must be a list of names")));
    }
  } else if (header) {
    asked.emplace_back(*header);
  }
  std::vector<std::string> names;
  for (std::string& name : asked) {
    const registry::Store* store = backend.stores().Find(name);
    if (store == nullptr) return Conflict(fmt::format("Store for identifier {} not found", name));
    if (store->read_only()) return Conflict(fmt::format("The store {} takes no images.", name));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

Result<ImportOrder> ParseOrder(const Backend& backend, const Call& call, const json::object& body) {
  ImportOrder order;
  const json::value* method = body.if_contains("method");
  if (method == nullptr || !method->is_object()) return Invalid("Import request requires a 'method' field.");
  const json::object& details = method->get_object();
  order.method = PLATTER_TRY(Text(details.if_contains("name"), "Import request requires a 'name' field."));
  const auto& methods = backend.options.import_methods;
  if (std::ranges::find(methods, order.method) == methods.end()) {
    return Invalid(fmt::format("Unknown import method name '{}'.", order.method));
  }
  if (order.method == "web-download") {
    order.url = PLATTER_TRY(Text(details.if_contains("uri"), "'web-download' requires a 'uri' field."));
  }
  order.targets.all_must_succeed = PLATTER_TRY(Flag(body, "all_stores_must_succeed", true));
  PLATTER_CHECK(Flag(body, "all_stores", false));
  if (backend.options.many_stores) {
    order.targets.stores = PLATTER_TRY(WantedStores(backend, call, body));
  } else if (!order.targets.all_must_succeed) {
    return Invalid("All_stores_must_succeed can only be set with enabled_backends");
  }
  return order;
}

// What was asked for, as its task tells it. What else a client has sent means nothing, and may be long.
std::string InputJson(const std::string& image, const json::object& body, const ImportOrder& order) {
  std::vector<std::string> stores;
  for (const std::string& store : order.targets.stores) stores.push_back(JsonString(store));
  JsonObject method;
  method.Text("name", order.method);
  if (!order.url.empty()) method.Text("uri", order.url);
  JsonObject request;
  request.Json("method", method.Finish());
  if (!stores.empty() && body.contains("stores")) request.Json("stores", JsonList(stores));
  for (const std::string_view name : {"all_stores", "all_stores_must_succeed"}) {
    const json::value* flag = body.if_contains({name.data(), name.size()});
    if (flag != nullptr) request.Flag(name, flag->as_bool());
  }
  return JsonObject()
      .Text("image_id", image)
      .Json("import_req", request.Finish())
      .Json("backend", stores.empty() ? "[null]" : JsonList(stores))
      .Finish();
}

Result<> CheckImportable(const ImageRecord& image, const ImportOrder& order) {
  if (image.status == Status::kActive) return Conflict("Image with status active cannot be target for import");
  if (order.method == "web-download" && image.status != Status::kQueued) {
    return Conflict("Image needs to be in 'queued' state to use 'web-download' method");
  }
  if (order.method == "glance-direct" && image.status != Status::kUploading) {
    return Conflict("Image needs to be staged before 'glance-direct' method can be used");
  }
  if (!image.container_format) return Conflict("'container_format' needs to be set before import");
  if (!image.disk_format) return Conflict("'disk_format' needs to be set before import");
  return Done{};
}

}  // namespace

Reply Deactivate(const Backend& backend, const Call& call) {
  return MoveImage(backend, call, Status::kActive, Status::kDeactivated, "deactivate");
}

Reply Reactivate(const Backend& backend, const Call& call) {
  return MoveImage(backend, call, Status::kDeactivated, Status::kActive, "reactivate");
}

Reply AddTag(const Backend& backend, const Call& call) {
  const std::string& tag = call.parameters[1];
  PLATTER_CHECK(CheckImageProperty("tags", json::array{json::string(tag)}));
  const ImageRecord image = PLATTER_TRY(TaggedImage(backend, call));
  PLATTER_CHECK(backend.catalog().Change(image.id, [&](ImageRecord& record) -> Result<> {
    record.tags.insert(tag);
    if (record.tags.size() > backend.options.tag_quota) {
      return Error(ErrorKind::kLimit, fmt::format("Image tag limit exceeded for image {}: Attempted: {}, Maximum: {}",
                                                  record.id, record.tags.size(), backend.options.tag_quota));
    }
    record.updated = registry::Now();
    return Done{};
  }));
  return EmptyResponse(204);
}

Reply RemoveTag(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(TaggedImage(backend, call));
  PLATTER_CHECK(backend.catalog().Change(image.id, [&](ImageRecord& record) -> Result<> {
    if (record.tags.erase(call.parameters[1]) == 0) return NotFound("The resource could not be found.");
    record.updated = registry::Now();
    return Done{};
  }));
  return EmptyResponse(204);
}

Reply ImportImage(const Backend& backend, const Call& call, const std::string& body) {
  const json::object document = PLATTER_TRY(ParseObject(body));
  const ImportOrder order = PLATTER_TRY(ParseOrder(backend, call, document));
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  PLATTER_CHECK(registry::MayModify(backend.options.access, call.caller, image));
  PLATTER_CHECK(CheckImportable(image, order));
  if (order.method == "web-download" && !backend.check_url(order.url).ok()) {
    return Invalid(fmt::format("URI for web-download does not pass filtering: {}", order.url));
  }
  registry::ImportRequest request;
  request.image = image.id;
  request.method = order.method == "web-download" ? registry::ImportMethod::kWeb : registry::ImportMethod::kStaged;
  request.url = order.url;
  request.targets = order.targets;
  request.owner = call.caller.project.value_or("");
  request.user = call.caller.user;
  request.request = call.caller.request_id;
  request.input = InputJson(image.id, document, order);
  PLATTER_CHECK(backend.imports.Start(std::move(request)));
  return EmptyResponse(202);
}

}  // namespace platter::platterd
