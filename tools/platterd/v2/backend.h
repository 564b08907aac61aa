// Backend: what the image API works on.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/imports.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/upload.h"
#include "registry-core/stores/store.h"
#include "tools/platterd/api/api.h"
#include "tools/platterd/v2/slots.h"

namespace platter::platterd {

// All of it outlives the API, and may be used by many threads at once.
struct Backend {
  const ApiOptions& options;
  const registry::IngestContext& ingest;  // with the catalog and the stores
  const registry::StagingArea& staging;
  registry::Imports& imports;
  std::map<std::string, std::string> store_descriptions;  // by the store's name
  // Whether web-download may fetch the URL. kDenied.
  std::function<Result<>(const std::string& url)> check_url;
  // What came of a direct upload: "accepted", "refused", "failed".
  std::function<void(std::string_view verdict)> count_verdict;
  // For requests that read what lies on servers of others.
  Slots& readers_of_locations;
  // An image is gone whose encryption key should go with it, which only the key manager's clients can do. May be empty.
  std::function<void(const std::string& image, const std::string& key)> tell_of_key = {};

  registry::Catalog& catalog() const noexcept { return ingest.catalog; }
  registry::StoreSet& stores() const noexcept { return ingest.stores; }
};

}  // namespace platter::platterd
