// The verbs that look after the database: platterd db sync|version|check|purge.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/core/result.h"

namespace platter::platterd {

// Of `db purge`: which records it removes.
struct PurgeOptions {
  std::uint32_t age_in_days = 30;  // since they were deleted
  std::uint64_t max_rows = 100;    // no more than so many; 0: all
};

// `database`: a URL. Prints what it did; the program's exit code. kInvalid: no such verb; else as the catalog's calls.
Result<int> RunDatabaseVerb(std::string_view database, std::string_view verb, const PurgeOptions& purge);

}  // namespace platter::platterd
