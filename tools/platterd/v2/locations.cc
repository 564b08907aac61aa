#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <utility>
#include <vector>

#include "registry-core/access/access.h"
#include "registry-core/ingest/add_location.h"
#include "registry-core/ingest/removal.h"
#include "tools/platterd/api/image_view.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;
using registry::ImageRecord;
using registry::Location;
using registry::NewLocation;

std::optional<std::string> OptionalText(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

// The schema has been checked: an object with a URL and metadata.
NewLocation LocationOf(const json::object& given) {
  NewLocation location;
  location.url = OptionalText(given, "url").value_or("");
  if (const json::value* metadata = given.if_contains("metadata"); metadata != nullptr && metadata->is_object()) {
    for (const auto& member : metadata->get_object()) {
      location.metadata.emplace(std::string(member.key().data(), member.key().size()), json::serialize(member.value()));
    }
  }
  if (const json::value* data = given.if_contains("validation_data"); data != nullptr && data->is_object()) {
    location.checksum = OptionalText(data->get_object(), "checksum");
    location.hash_algorithm = OptionalText(data->get_object(), "os_hash_algo");
    location.hash_value = OptionalText(data->get_object(), "os_hash_value");
  }
  return location;
}

// "2", or "-" for the place behind them all (empty).
Result<std::optional<std::size_t>> Position(const std::string& text, std::size_t end, std::string_view doing) {
  if (text == "-") return std::optional<std::size_t>();
  std::size_t position = 0;
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (error != std::errc{} || last != text.data() + text.size() || position >= end) {
    return Invalid(fmt::format("Invalid position for {} a location.", doing));
  }
  return std::optional(position);
}

bool Has(const auto& locations, const std::string& url) {
  return std::ranges::any_of(locations, [&](const auto& each) { return each.url == url; });
}

// Whether the change takes one of the image's locations away.
bool TakesAway(const PatchChange& change, const ImageRecord& image) {
  if (change.operation != PatchOperation::kReplace) return change.operation == PatchOperation::kRemove;
  std::vector<NewLocation> wanted;
  for (const json::value& value : change.value.get_array()) wanted.push_back(LocationOf(value.get_object()));
  return std::ranges::any_of(image.locations, [&](const Location& each) { return !Has(wanted, each.url); });
}

class LocationChanges {
 public:
  LocationChanges(const Backend& backend, const registry::Caller& caller, ImageRecord image)
      : backend_(backend), caller_(caller), image_(std::move(image)) {}

  Result<> Apply(const PatchChange& change) {
    // Also of what the changes before it have added.
    if (TakesAway(change, image_)) PLATTER_CHECK(registry::MayRemoveLocation(backend_.options.access, caller_, image_));
    switch (change.operation) {
      case PatchOperation::kAdd:
        return AddAt(change);
      case PatchOperation::kRemove:
        return RemoveAt(change);
      case PatchOperation::kReplace:
        return ReplaceAll(change.value.get_array());
    }
    return Done{};
  }
  const ImageRecord& image() const noexcept { return image_; }

 private:
  Result<> AddAt(const PatchChange& change) {
    NewLocation location = LocationOf(change.value.get_object());
    location.position = PLATTER_TRY(Position(change.path[1], image_.locations.size() + 1, "adding"));
    PLATTER_CHECK(CheckQuota(image_.locations.size() + 1));
    return Add(location);
  }

  Result<> CheckQuota(std::size_t count) const {
    if (count <= backend_.options.location_quota) return Done{};
    return Error(ErrorKind::kLimit, fmt::format("The limit has been exceeded on the number of allowed image "
                                                "locations. Attempted: {}, Maximum: {}",
                                                count, backend_.options.location_quota));
  }

  Result<> Add(const NewLocation& location) {
    registry::Refusal refusal;
    auto added = registry::AddLocation(backend_.ingest, backend_.staging, image_.id, location, refusal);
    // What lies there is to blame, and the client may name something else.
    if (!added.ok() && added.error().kind() == ErrorKind::kDenied) return Invalid(added.error().Describe());
    if (!added.ok() && added.error().kind() == ErrorKind::kExists) return Invalid(added.error().Describe());
    image_ = PLATTER_TRY(std::move(added));
    return Done{};
  }

  Result<> RemoveAt(const PatchChange& change) {
    const auto position = PLATTER_TRY(Position(change.path[1], image_.locations.size(), "removing"));
    if (image_.status == registry::Status::kActive && image_.locations.size() == 1) {
      return Forbidden("Cannot remove last location in the image.");
    }
    if (!position) return Invalid("Invalid position for removing a location.");
    return Remove(std::string(image_.locations[*position].url));
  }

  Result<> Remove(const std::string& url) {
    registry::Removed removed =
        PLATTER_TRY(registry::RemoveLocation(backend_.catalog(), backend_.stores(), image_.id, url));
    image_ = std::move(removed.image);
    return Done{};
  }

  // New ones first, so that there is always one; then the order, and the metadata, that are wanted. Only what is there
  // at the end counts for the quota.
  Result<> ReplaceAll(const json::array& wanted) {
    if (wanted.empty()) return Forbidden("Cannot set locations to empty list.");
    PLATTER_CHECK(CheckQuota(wanted.size()));
    std::vector<NewLocation> locations;
    for (const json::value& value : wanted) locations.push_back(LocationOf(value.get_object()));
    for (auto each = locations.begin(); each != locations.end(); ++each) {
      const bool twice =
          std::any_of(locations.begin(), each, [&](const auto& other) { return other.url == each->url; });
      if (twice) return Invalid("The locations have one URL twice.");
    }
    const auto replaced = static_cast<std::size_t>(std::ranges::count_if(
        image_.locations, [&](const Location& location) { return !Has(locations, location.url); }));
    for (NewLocation& location : locations) {
      location.replaced = replaced;
      if (!Has(image_.locations, location.url)) PLATTER_CHECK(Add(location));
    }
    const std::vector<Location> before = image_.locations;
    for (const Location& location : before) {
      if (!Has(locations, location.url)) PLATTER_CHECK(Remove(location.url));
    }
    return Arrange(locations);
  }

  Result<> Arrange(const std::vector<NewLocation>& wanted) {
    image_ = PLATTER_TRY(backend_.catalog().Change(image_.id, [&](ImageRecord& record) -> Result<> {
      std::vector<Location> arranged;
      for (const NewLocation& location : wanted) {
        const auto at = std::ranges::find(record.locations, location.url, &Location::url);
        if (at == record.locations.end()) return Conflict("The image's locations have changed.");
        arranged.push_back(*at);
        arranged.back().metadata = location.metadata;
      }
      if (arranged.size() != record.locations.size()) return Conflict("The image's locations have changed.");
      record.locations = std::move(arranged);
      record.updated = registry::Now();
      return Done{};
    }));
    return Done{};
  }

  const Backend& backend_;
  const registry::Caller& caller_;
  ImageRecord image_;
};

http::Response TooManyRead() {
  http::Response response = http::ErrorPage(503, "Too many locations are being read. Please try again later.");
  response.headers.Add("Retry-After", "30");
  response.trouble = "too many locations are being read";
  return response;
}

}  // namespace

Reply ChangeLocations(const Backend& backend, const Call& call, ImageRecord image,
                      const std::vector<PatchChange>& changes) {
  if (!backend.options.show_multiple_locations) {
    return Forbidden("It's not allowed to update locations if locations are invisible.");
  }
  PLATTER_CHECK(registry::MayModify(backend.options.access, call.caller, image));
  // Before any of them is made.
  const bool removes = std::ranges::any_of(changes, [&](const auto& change) { return TakesAway(change, image); });
  if (removes) PLATTER_CHECK(registry::MayRemoveLocation(backend.options.access, call.caller, image));
  if (image.status != registry::Status::kQueued && image.status != registry::Status::kActive) {
    return Conflict(
        fmt::format("It's not allowed to update locations if image status is {}.", StatusName(image.status)));
  }
  const bool reads =
      std::ranges::any_of(changes, [](const auto& change) { return change.operation != PatchOperation::kRemove; });
  // A server that is slow keeps a worker: most of them are for everybody else.
  const Slots::Slot slot = reads ? backend.readers_of_locations.Take() : nullptr;
  if (reads && !slot) return TooManyRead();
  LocationChanges applied(backend, call.caller, std::move(image));
  for (const PatchChange& change : changes) PLATTER_CHECK(applied.Apply(change));
  return JsonResponse(200, ImageJson(applied.image(), backend.options));
}

}  // namespace platter::platterd
