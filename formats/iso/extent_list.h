// Which parts of a volume its files and directories take, for finding those that overlap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/iso/check_log.h"

namespace platter::iso {

class ExtentList {
 public:
  explicit ExtentList(const Limits& limits) : most_(limits.metadata_bytes / sizeof(Extent)) {}

  // kLimit when there are more than the limits allow to hold.
  Result<> Add(std::uint64_t host_offset, std::uint64_t length);
  // Two extents may be the same one (hard links, a second tree of names); one that starts inside another is reported.
  void ReportOverlaps(CheckLog& log);

 private:
  struct Extent {
    std::uint64_t start;
    std::uint64_t end;
  };
  std::size_t most_;
  std::vector<Extent> extents_;
};

}  // namespace platter::iso
