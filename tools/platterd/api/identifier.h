// Identifiers as clients write them.
#pragma once

#include <string>
#include <string_view>

namespace platter::platterd {

// A UUID in lower case, as records have it; anything else as it is.
std::string CanonicalIdentifier(std::string_view text);

}  // namespace platter::platterd
