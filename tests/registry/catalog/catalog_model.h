// What a listing has to answer, computed the plain way from records in memory.
#pragma once

#include <string>
#include <vector>

#include "registry-core/catalog/catalog.h"

namespace platter::registry {

struct CatalogModel {
  std::vector<ImageRecord> images;
  std::vector<Member> members;

  // All that the query lets through, in its order, whatever its marker and its limit.
  std::vector<std::string> Ids(const ImageQuery& query) const;
};

}  // namespace platter::registry
