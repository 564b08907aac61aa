#include "registry-core/ingest/staging.h"

#include <utility>
#include <vector>

namespace platter::registry {

Result<std::optional<std::string>> StagingArea::Find(std::string_view image_id) const {
  std::vector<std::string> urls = PLATTER_TRY(store_->ObjectsOf(image_id));
  if (urls.size() > 1) return Error(ErrorKind::kConflict, "more than one object is staged for the image");
  return urls.empty() ? std::nullopt : std::optional(std::move(urls.front()));
}

Result<> StagingArea::Remove(std::string_view image_id) const {
  for (const std::string& url : PLATTER_TRY(store_->ObjectsOf(image_id))) {
    auto removed = store_->Delete(url);
    if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) return removed;
  }
  return Done{};
}

}  // namespace platter::registry
