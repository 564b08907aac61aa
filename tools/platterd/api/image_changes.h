// Changing a record as clients ask for it: with the members of a new image, or with a JSON patch.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/access/caller.h"
#include "registry-core/model/image_record.h"
#include "tools/platterd/api/api.h"

namespace platter::platterd {

enum class PatchOperation : std::uint8_t { kAdd, kRemove, kReplace };

struct PatchChange {
  PatchOperation operation = PatchOperation::kAdd;
  std::vector<std::string> path;  // of the JSON pointer, decoded, not empty
  boost::json::value value;       // null for kRemove
  bool strict_add = false;        // the older media type: what is added must not be there
};

constexpr std::string_view kPatchOld = "application/openstack-images-v2.0-json-patch";
constexpr std::string_view kPatchNew = "application/openstack-images-v2.1-json-patch";

// The changes that `body` asks for, checked against the schema. Requires: media_type is one of the two. kInvalid;
// kDenied for what clients may not change.
Result<std::vector<PatchChange>> ParsePatch(std::string_view media_type, std::string_view body);

// Applies one change to `image`, as `caller` may. A property of another name than "locations". kDenied, kConflict,
// kInvalid, kLimit.
Result<> ApplyChange(const ApiOptions& options, const registry::Caller& caller, const PatchChange& change,
                     registry::ImageRecord& image);

// A new record of the members of `body`, as `caller` may make it. As ApplyChange.
Result<registry::ImageRecord> NewImage(const ApiOptions& options, const registry::Caller& caller,
                                       std::string_view body);

// The body as JSON. kInvalid.
Result<boost::json::value> ParseBody(std::string_view body);

}  // namespace platter::platterd
