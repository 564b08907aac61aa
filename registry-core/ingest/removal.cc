#include "registry-core/ingest/removal.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace platter::registry {
namespace {

struct Prepared {
  std::string url;
  std::unique_ptr<StoreRemoval> removal;
};

Result<std::vector<Prepared>> Prepare(const StoreSet& stores, const ImageRecord& image) {
  std::vector<Prepared> prepared;
  for (const Location& location : image.locations) {
    Store* store = stores.FindFor(location.url);
    if (store == nullptr || store->read_only()) continue;
    auto removal = store->PrepareDelete(location.url);
    if (removal.ok()) {
      prepared.push_back({location.url, std::move(removal).value()});
    } else if (removal.error().kind() != ErrorKind::kNotFound) {
      return std::move(removal).error();
    }
  }
  return prepared;
}

// Where the database went away nobody knows whether the change was made: a sweep asks it later.
Error Undone(Error error, const std::vector<Prepared>& prepared) {
  if (error.kind() == ErrorKind::kIo) {
    for (const Prepared& each : prepared) each.removal->Leave();
  }
  return error;
}

Removed Finished(ImageRecord image, const std::vector<Prepared>& prepared) {
  Removed removed{std::move(image), {}};
  for (const Prepared& each : prepared) {
    if (!each.removal->Finish().ok()) removed.left.push_back(each.url);
  }
  return removed;
}

bool SameUrls(const std::vector<Location>& a, const std::vector<Location>& b) {
  return std::ranges::equal(a, b, {}, &Location::url, &Location::url);
}

Error Protected() { return Error(ErrorKind::kDenied, "the image is protected and cannot be deleted"); }

// Empty where its locations have changed since it was looked at: an upload came to its end, for one.
Result<std::optional<Removed>> TryToRemove(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                                           std::string_view image_id) {
  const ImageRecord seen = PLATTER_TRY(catalog.Find(image_id));
  if (seen.is_protected) return Protected();
  std::vector<Prepared> prepared = PLATTER_TRY(Prepare(stores, seen));
  bool changed = false;
  auto gone = catalog.Change(image_id, [&](ImageRecord& image) -> Result<> {
    if (image.is_protected) return Protected();
    changed = !SameUrls(image.locations, seen.locations);
    if (changed) return Error(ErrorKind::kConflict, "the image's locations changed while it was deleted");
    image.status = Status::kDeleted;
    image.locations.clear();
    image.deleted = image.updated = Now();
    return Done{};
  });
  if (changed && !gone.ok() && gone.error().kind() == ErrorKind::kConflict) return std::optional<Removed>();
  if (!gone.ok()) return Undone(std::move(gone).error(), prepared);
  Removed removed = Finished(std::move(gone).value(), prepared);
  // What an import still works on is its own to remove, and a sweep's.
  if (staging != nullptr && (seen.status == Status::kUploading || seen.status == Status::kImporting)) {
    (void)staging->Remove(image_id);
  }
  return std::optional(std::move(removed));
}

}  // namespace

Result<Removed> RemoveImage(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                            std::string_view image_id) {
  constexpr int kTries = 5;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    auto removed = PLATTER_TRY(TryToRemove(catalog, stores, staging, image_id));
    if (removed) return std::move(*removed);
  }
  return Error(ErrorKind::kConflict, "the image's locations change all the time while it is deleted");
}

Result<Removed> RemoveLocation(Catalog& catalog, const StoreSet& stores, std::string_view image_id,
                               std::string_view url) {
  const auto check = [&](const ImageRecord& image) -> Result<> {
    if (image.status != Status::kActive) return Error(ErrorKind::kConflict, "the image is not active");
    if (std::ranges::find(image.locations, url, &Location::url) == image.locations.end()) {
      return Error(ErrorKind::kNotFound, "the image has no such location").Found(std::string(url));
    }
    if (image.locations.size() == 1) return Error(ErrorKind::kDenied, "the image has no other location");
    return Done{};
  };
  const ImageRecord seen = PLATTER_TRY(catalog.Find(image_id));
  PLATTER_CHECK(check(seen));
  std::vector<Prepared> removals;
  Store* store = stores.FindFor(url);
  if (store != nullptr && !store->read_only()) {
    auto prepared = store->PrepareDelete(url);
    // What is gone already is only to be forgotten.
    if (!prepared.ok() && prepared.error().kind() != ErrorKind::kNotFound) return std::move(prepared).error();
    if (prepared.ok()) removals.push_back({std::string(url), std::move(prepared).value()});
  }
  const auto forget = [&](ImageRecord& image) -> Result<> {
    PLATTER_CHECK(check(image));
    std::erase_if(image.locations, [&](const Location& location) { return location.url == url; });
    image.updated = Now();
    return Done{};
  };
  auto changed = catalog.Change(image_id, forget);
  if (!changed.ok()) return Undone(std::move(changed).error(), removals);
  return Finished(std::move(changed).value(), removals);
}

}  // namespace platter::registry
