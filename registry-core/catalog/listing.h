// The statements of a listing.
#pragma once

#include "registry-core/catalog/connection.h"

namespace platter::registry {

// Each selection is in the order asked for and no longer than a page; the page is the best of them all.
struct Listing {
  std::vector<Sql> selections;
  std::vector<SortKey> keys;  // the whole order
  std::size_t columns = 0;    // id, version, created_at, and what else it is sorted by

  // One sorted list of the selections' rows, each once, cut to a page.
  std::vector<Row> Merge(std::vector<std::vector<Row>> found, std::uint32_t limit) const;
};

// `marker` is the image behind which the page starts, if any. kInvalid, as Catalog::List.
Result<Listing> ListingOf(ImageQuery query, const ImageRecord* marker, Engine engine);

}  // namespace platter::registry
