// Deleting an image: its record, then its bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/stores/store.h"

namespace platter::registry {

struct Removed {
  ImageRecord image;              // as it is now
  std::vector<std::string> left;  // URLs of objects that could not be removed now: a sweep tries again
};

// Moves the record to deleted, and removes what the stores and the staging area (null: there is none) hold of it. An
// upload or import that is under way ends with kCancelled, and cleans up after itself. Locations that no store here
// owns, or that a read-only one does, are let be. Where the locations change meanwhile it begins again. kNotFound;
// kDenied for a protected image; kConflict: they change all the time; kIo: the image is as it was, or, where the
// database went away, deleted all the same; its bytes then go with the next sweep.
Result<Removed> RemoveImage(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                            std::string_view image_id);

// Takes one location from an image that has others, and removes the bytes there, unless no store here owns them or a
// read-only one does. kNotFound: the image, or that location of it; kConflict: the image is not active; kDenied: no
// other location is left; kIo.
Result<Removed> RemoveLocation(Catalog& catalog, const StoreSet& stores, std::string_view image_id,
                               std::string_view url);

}  // namespace platter::registry
