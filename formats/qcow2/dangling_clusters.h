// DanglingClusters: which clusters behind the end of a file an image's entries point at. A file that was cut off has
// such entries, and what is appended to it must not land where they point.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace platter::qcow2 {

// Looks at the first 2^20 clusters behind the end; entries farther out are never reached. One thread at a time.
class DanglingClusters {
 public:
  explicit DanglingClusters(std::uint64_t end_cluster) : base_(end_cluster) {}

  void Add(std::uint64_t first, std::uint64_t last) {
    if (last < base_ || first >= base_ + kWindow) return;
    if (marks_.empty()) marks_.resize(kWindow);
    last = std::min(last, base_ + kWindow - 1);
    for (std::uint64_t at = std::max(first, base_); at <= last; ++at) marks_[at - base_] = true;
  }

  // The first cluster from `start` on that begins `count` clusters which nothing points at.
  std::uint64_t FindRun(std::uint64_t start, std::uint64_t count) const {
    if (marks_.empty()) return start;
    std::uint64_t run = start;
    for (std::uint64_t at = std::max(start, base_); at < base_ + kWindow && at - run < count; ++at) {
      if (marks_[at - base_]) run = at + 1;
    }
    return run;
  }

 private:
  static constexpr std::uint64_t kWindow = std::uint64_t{1} << 20;

  std::uint64_t base_;
  std::vector<bool> marks_;
};

}  // namespace platter::qcow2
