#include "fuzz/support/promise.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace platter::fuzz {

void Broken(std::string_view promise, std::string_view details) {
  const std::string line = "broken promise: " + std::string(promise) + " " + std::string(details) + "\n";
  std::fputs(line.c_str(), stderr);
  std::abort();
}

void Told(const Error& error) { Promise(!error.Describe().empty(), "an error says what is wrong"); }

}  // namespace platter::fuzz
