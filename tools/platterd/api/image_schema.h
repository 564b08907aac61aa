// The schema of an image: one table from which requests are checked and /v2/schemas/image is made.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "tools/platterd/api/api.h"

namespace platter::platterd {

enum class ValueKind : std::uint8_t { kText, kTextOrNull, kInteger, kIntegerOrNull, kFlag, kTextList, kLocations };

struct ImageProperty {
  std::string_view name;
  ValueKind kind;
  std::string_view description;
  bool read_only = false;
  bool is_base = true;                            // false: a custom property that everyone gives the same meaning
  std::size_t longest = 0;                        // characters; 0: no limit
  bool identifier = false;                        // a UUID
  std::span<const std::string_view> values = {};  // that are allowed; empty: any
};

std::span<const ImageProperty> ImageProperties() noexcept;
// Null for a custom property that the schema does not know.
const ImageProperty* FindImageProperty(std::string_view name) noexcept;

// Whether the value is one that the schema allows for the property; `name` may be any. kInvalid with the sentence that
// a validator gives.
Result<> CheckImageProperty(std::string_view name, const boost::json::value& value);

// The documents at /v2/schemas/...; `name`: "image", "images", "member", "members", "task", "tasks". Empty for others.
// Of the formats they have those that the options leave.
std::string SchemaDocument(std::string_view name, const ApiOptions& options);

}  // namespace platter::platterd
