// How many findings have been made of each kind, so that what a file repeats without end is not kept without end.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "formats/core/finding.h"

namespace platter {

class FindingCount {
 public:
  // Of one code and concern: more than any report shows. A verdict asks for concerns, so none hides another.
  static constexpr std::uint64_t kMost = 64;

  // Counts one more, and says whether it is kept.
  bool Keeps(std::string_view code, Concern concern) { return ++counts_[{std::string(code), concern}] <= kMost; }

 private:
  std::map<std::pair<std::string, Concern>, std::uint64_t> counts_;
};

}  // namespace platter
