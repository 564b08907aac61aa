// Protects an image's metadata from a repair that would write through a wrong pointer.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// Where the structures of an image lie, other than its L2 tables. Holds a copy: build it anew when they have moved.
class MetadataRanges {
 public:
  enum class Include : std::uint8_t { kAll, kAllButL1 };
  explicit MetadataRanges(CheckState& state, Include include = Include::kAll);

  // kCorrupt, with a line in the log, when the `length` bytes at `offset`, which `what` names, share bytes with a
  // structure and so must not be written to. Logarithmic in the number of structures.
  Result<> CheckWrite(std::string_view what, std::uint64_t offset, std::uint64_t length) const;

 private:
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::string_view name;
  };

  void Add(std::uint64_t offset, std::uint64_t length, std::string_view name);

  CheckState& state_;
  std::vector<Range> ranges_;          // by begin
  std::vector<std::size_t> reaching_;  // by index: the range up to it that ends last
};

// The error of a write that is refused because `what` shares bytes with `other`; logs a line.
Error RefuseWrite(CheckState& state, std::string_view what, std::uint64_t offset, std::string_view other);

// kCorrupt when the active L1 table must not be written to: it lies over other metadata, or its clusters are used by
// something else too. Requires: the stored refcounts are right.
Result<> CheckL1Write(CheckState& state);

}  // namespace platter::qcow2
