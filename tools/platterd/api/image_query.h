// What a list of images is asked for: the query of GET /v2/images.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/catalog/catalog.h"
#include "tools/platterd/api/api.h"

namespace platter::platterd {

using QueryItems = std::vector<std::pair<std::string, std::string>>;

// kInvalid with Glance's sentence. The viewer is the caller's business.
Result<registry::ImageQuery> ParseImageQuery(const QueryItems& items, const ApiOptions& options);

// "limit", cut at `most`. kInvalid for what is no number.
Result<std::uint32_t> ParseLimit(std::string_view text, std::uint32_t most);

// The same query again for another page: without `marker`, or with that one at its end. "" for none at all.
std::string PageQuery(const QueryItems& items, std::string_view marker);

}  // namespace platter::platterd
