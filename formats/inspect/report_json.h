// A report as JSON, in the shape that docs/hook.md describes.
#pragma once

#include <string>
#include <string_view>

#include "formats/core/json.h"
#include "formats/inspect/report.h"

namespace platter::inspect {

inline constexpr std::string_view kSchema = "platter-inspection/1";

// The members of the schema that every inspection has. What is not known is null, or "" where it is a name.
JsonObject ToJsonObject(const Report& report);

// The same as text on one line, without a line end.
std::string ToJson(const Report& report);

}  // namespace platter::inspect
