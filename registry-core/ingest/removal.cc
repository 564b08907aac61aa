#include "registry-core/ingest/removal.h"

#include <algorithm>
#include <memory>
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

bool SameUrls(const std::vector<Location>& a, const std::vector<Location>& b) {
  return std::ranges::equal(a, b, {}, &Location::url, &Location::url);
}

}  // namespace

Result<Removed> RemoveImage(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                            std::string_view image_id) {
  const ImageRecord seen = PLATTER_TRY(catalog.Find(image_id));
  if (seen.is_protected) return Error(ErrorKind::kDenied, "the image is protected and cannot be deleted");
  std::vector<Prepared> prepared = PLATTER_TRY(Prepare(stores, seen));
  ImageRecord gone = PLATTER_TRY(catalog.Change(image_id, [&](ImageRecord& image) -> Result<> {
    if (image.is_protected) return Error(ErrorKind::kDenied, "the image is protected and cannot be deleted");
    if (!SameUrls(image.locations, seen.locations)) {
      return Error(ErrorKind::kConflict, "the image's locations changed while it was deleted");
    }
    image.status = Status::kDeleted;
    image.locations.clear();
    image.deleted = image.updated = Now();
    return Done{};
  }));
  Removed removed{std::move(gone), {}};
  for (Prepared& each : prepared) {
    if (!each.removal->Finish().ok()) removed.left.push_back(each.url);
  }
  // What an import still works on is its own to remove, and a sweep's.
  if (staging != nullptr && (seen.status == Status::kUploading || seen.status == Status::kImporting)) {
    (void)staging->Remove(image_id);
  }
  return removed;
}

Result<Removed> RemoveFromStore(Catalog& catalog, const StoreSet& stores, std::string_view image_id,
                                std::string_view store) {
  const auto check = [&](const ImageRecord& image) -> Result<std::string> {
    if (image.status != Status::kActive) return Error(ErrorKind::kConflict, "the image is not active");
    const auto at = std::ranges::find(image.locations, store, &Location::store);
    if (at == image.locations.end()) {
      return Error(ErrorKind::kNotFound, "the image is not in that store").Found(std::string(store));
    }
    if (image.locations.size() == 1) return Error(ErrorKind::kDenied, "no other store has the image");
    return at->url;
  };
  const ImageRecord seen = PLATTER_TRY(catalog.Find(image_id));
  const std::string url = PLATTER_TRY(check(seen));
  Store* owner = stores.FindFor(url);
  if (owner == nullptr) return Error(ErrorKind::kNotFound, "there is no store of that name").Found(std::string(store));
  auto removal = owner->PrepareDelete(url);
  // What is gone already is only to be forgotten.
  if (!removal.ok() && removal.error().kind() != ErrorKind::kNotFound) return std::move(removal).error();
  const auto forget = [&](ImageRecord& image) -> Result<> {
    const std::string now = PLATTER_TRY(check(image));
    if (now != url) return Error(ErrorKind::kConflict, "the image's locations have changed");
    std::erase_if(image.locations, [&](const Location& location) { return location.url == url; });
    image.updated = Now();
    return Done{};
  };
  ImageRecord changed = PLATTER_TRY(catalog.Change(image_id, forget));
  Removed removed{std::move(changed), {}};
  if (removal.ok() && !removal.value()->Finish().ok()) removed.left.push_back(url);
  return removed;
}

}  // namespace platter::registry
