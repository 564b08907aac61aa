#include "formats/iso/extent_list.h"

#include <fmt/format.h>

#include <algorithm>

namespace platter::iso {

Result<> ExtentList::Add(std::uint64_t host_offset, std::uint64_t length) {
  if (length == 0) return Done{};
  if (extents_.size() >= most_) {
    return Error(ErrorKind::kLimit, "the volume has too many files to check").Allowed(fmt::format("up to {}", most_));
  }
  extents_.push_back({host_offset, host_offset + length});
  return Done{};
}

void ExtentList::ReportOverlaps(CheckLog& log) {
  std::ranges::sort(extents_, {}, &Extent::start);
  std::uint64_t widest_start = 0;
  std::uint64_t widest_end = 0;
  for (const Extent& extent : extents_) {
    if (extent.start < widest_end && extent.start != widest_start) {
      log.Add(fmt::format("the extent from {} to {} starts inside the one from {} to {}", extent.start, extent.end,
                          widest_start, widest_end));
    }
    if (extent.end <= widest_end) continue;
    widest_start = extent.start;
    widest_end = extent.end;
  }
}

}  // namespace platter::iso
