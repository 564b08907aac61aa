// The verbs that look after the database: platterd db sync|version|check.
#pragma once

#include <string_view>

#include "formats/core/result.h"

namespace platter::platterd {

// `database`: a URL. Prints what it did; the program's exit code. kInvalid: no such verb; else as the catalog's calls.
Result<int> RunDatabaseVerb(std::string_view database, std::string_view verb);

}  // namespace platter::platterd
