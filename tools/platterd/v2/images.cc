#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "formats/core/json.h"
#include "registry-core/access/access.h"
#include "registry-core/ingest/removal.h"
#include "tools/platterd/api/image_changes.h"
#include "tools/platterd/api/image_query.h"
#include "tools/platterd/api/image_view.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

using registry::ImageRecord;

std::string StoreIds(const Backend& backend) {
  std::vector<std::string> names;
  for (const auto& store : backend.stores().all()) names.push_back(store->name());
  return fmt::format("{}", fmt::join(names, ","));
}

// The beginning of an answer, with as many images of the page as do not make it much longer than its records may be
// (escaped, a text has up to six times its bytes): how many.
std::size_t AppendImages(const std::vector<ImageRecord>& page, const ApiOptions& options, std::string& out) {
  out = R"({"images": [)";
  std::size_t shown = 0;
  for (; shown < page.size() && out.size() < registry::kMostPageBytes; ++shown) {
    if (shown != 0) out += ", ";
    out += ImageJson(page[shown], options);
  }
  return shown;
}

// Whether the catalog may have more behind the page, however many images it has.
bool IsFull(const std::vector<ImageRecord>& page) {
  std::size_t bulk = 0;
  for (const ImageRecord& image : page) bulk += registry::BulkOf(image);
  return bulk >= registry::kMostPageBytes;
}

// An image that was deleted by somebody else while it was looked at.
Error FailedToFind(std::string_view id) { return NotFound(fmt::format("Failed to find image {} to delete", id)); }

// The key that should go with the image: Glance asks the key manager, of which platterd knows nothing.
std::optional<std::string> KeyOf(const ImageRecord& image) {
  const auto policy = image.properties.find("cinder_encryption_key_deletion_policy");
  const auto key = image.properties.find("cinder_encryption_key_id");
  if (policy == image.properties.end() || policy->second != "on_image_deletion") return std::nullopt;
  if (key == image.properties.end() || key->second.empty()) return std::nullopt;
  return key->second;
}

}  // namespace

Reply CreateImage(const Backend& backend, const Call& call, const std::string& body) {
  ImageRecord image = PLATTER_TRY(NewImage(backend.options, call.caller, body));
  const std::string id = image.id;
  auto stored = backend.catalog().Insert(std::move(image));
  if (!stored.ok() && stored.error().kind() == ErrorKind::kExists) {
    return Conflict(fmt::format("Image ID {} already exists!", id));
  }
  http::Response response = JsonResponse(201, ImageJson(PLATTER_TRY(std::move(stored)), backend.options));
  const std::string& base = backend.options.public_endpoint.value_or(call.request.base);
  response.headers.Add("Location", fmt::format("{}/v2/images/{}", base, id));
  if (!backend.options.import_methods.empty()) {
    response.headers.Add("OpenStack-image-import-methods",
                         fmt::format("{}", fmt::join(backend.options.import_methods, ",")));
  }
  if (backend.options.many_stores) response.headers.Add("OpenStack-image-store-ids", StoreIds(backend));
  return response;
}

Reply ListImages(const Backend& backend, const Call& call) {
  PLATTER_CHECK(registry::MayRead(backend.options.access, call.caller));
  registry::ImageQuery query = PLATTER_TRY(ParseImageQuery(call.request.query, backend.options));
  query.viewer = {.admin = call.caller.admin, .project = call.caller.project};
  std::vector<ImageRecord> page;
  if (query.limit > 0) {
    auto listed = backend.catalog().List(query);
    if (!listed.ok() && listed.error().kind() == ErrorKind::kNotFound) {
      return Invalid(fmt::format("No image found with ID {}", query.marker.value_or("")));
    }
    page = PLATTER_TRY(std::move(listed));
  }
  std::string images;
  const std::size_t shown = AppendImages(page, backend.options, images);
  JsonObject out;
  out.Text("first", "/v2/images" + PageQuery(call.request.query, ""));
  out.Text("schema", "/v2/schemas/images");
  if (shown > 0 && (shown == query.limit || shown < page.size() || IsFull(page))) {
    out.Text("next", "/v2/images" + PageQuery(call.request.query, page[shown - 1].id));
  }
  // There is no second copy of what may be long.
  images += "], ";
  images += std::string_view(out.Finish()).substr(1);
  return JsonResponse(200, std::move(images));
}

Reply ShowImage(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  return JsonResponse(200, ImageJson(image, backend.options));
}

Reply ChangeImage(const Backend& backend, const Call& call, const std::string& body) {
  const std::string type = MediaType(call.request);
  if (type != kPatchOld && type != kPatchNew) {
    http::Response response =
        http::ErrorPage(415, fmt::format("Invalid content type {}", type.empty() ? "None" : type));
    response.headers.Add("Accept-Patch", fmt::format("{}, {}", kPatchNew, kPatchOld));
    return response;
  }
  const std::vector<PatchChange> changes = PLATTER_TRY(ParsePatch(type, body));
  ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  const auto of_locations = [](const PatchChange& change) { return change.path[0] == "locations"; };
  if (std::ranges::any_of(changes, of_locations)) {
    // Each of them may take long, and cannot be taken back.
    if (!std::ranges::all_of(changes, of_locations)) return Invalid("Locations are changed by a patch of their own.");
    return ChangeLocations(backend, call, image, changes);
  }
  if (changes.empty()) return JsonResponse(200, ImageJson(image, backend.options));
  auto changed = backend.catalog().Change(image.id, [&](ImageRecord& record) -> Result<> {
    for (const PatchChange& change : changes) {
      PLATTER_CHECK(ApplyChange(backend.options, call.caller, change, record));
    }
    record.updated = registry::Now();
    return Done{};
  });
  return JsonResponse(200, ImageJson(PLATTER_TRY(std::move(changed)), backend.options));
}

Reply DeleteImage(const Backend& backend, const Call& call) {
  const std::string& id = call.parameters[0];
  auto found = VisibleImage(backend, call.caller, id);
  if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) return FailedToFind(id);
  const ImageRecord image = PLATTER_TRY(std::move(found));
  PLATTER_CHECK(registry::MayModify(backend.options.access, call.caller, image));
  if (image.is_protected) return Forbidden(fmt::format("Image {} is protected and cannot be deleted.", id));
  auto removed = registry::RemoveImage(backend.catalog(), backend.stores(), &backend.staging, id);
  if (!removed.ok() && removed.error().kind() == ErrorKind::kNotFound) return FailedToFind(id);
  PLATTER_CHECK(std::move(removed));
  const auto key = KeyOf(image);
  if (key && backend.tell_of_key) backend.tell_of_key(id, *key);
  return EmptyResponse(204);
}

Reply DeleteFromStore(const Backend& backend, const Call& call) {
  const std::string& store = call.parameters[0];
  const std::string& id = call.parameters[1];
  if (!backend.options.many_stores) return NotFound("The resource could not be found.");
  if (backend.stores().Find(store) == nullptr) {
    return Conflict(fmt::format("The selected store {} is not available on this node.", store));
  }
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, id));
  PLATTER_CHECK(registry::MayRemoveLocation(backend.options.access, call.caller, image));
  if (image.status != registry::Status::kActive) {
    return Conflict("It's not allowed to remove image data from store if image status is not 'active'");
  }
  if (image.locations.size() == 1) {
    return Forbidden(
        "Cannot delete image data from the only store containing it. Consider deleting the image instead.");
  }
  const auto at = std::ranges::find(image.locations, store, &registry::Location::store);
  if (at == image.locations.end()) return NotFound(fmt::format("Image {} is not stored in store {}.", id, store));
  PLATTER_CHECK(registry::RemoveLocation(backend.catalog(), backend.stores(), id, at->url));
  return EmptyResponse(204);
}

}  // namespace platter::platterd
