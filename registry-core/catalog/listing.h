// The statement of a listing.
#pragma once

#include "registry-core/catalog/connection.h"

namespace platter::registry {

// Selects kImageSelection. `marker` is the image behind which the page starts, if any. kInvalid.
Result<Sql> ListingOf(const ImageQuery& query, const ImageRecord* marker, Engine engine);

}  // namespace platter::registry
