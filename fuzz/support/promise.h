// What a harness calls when the code under test breaks a promise: the process ends with a report, which a fuzzer takes
// for a crash and the replay for a failure.
#pragma once

#include <string_view>

#include "formats/core/error.h"

namespace platter::fuzz {

[[noreturn]] void Broken(std::string_view promise, std::string_view details = "");

inline void Promise(bool kept, std::string_view promise, std::string_view details = "") {
  if (!kept) Broken(promise, details);
}

// An error is a fine answer to hostile bytes, as long as it can be told.
void Told(const Error& error);

}  // namespace platter::fuzz
