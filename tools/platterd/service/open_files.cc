#include "tools/platterd/service/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace platter::platterd {
namespace {

// For the database, the log, imports, metrics, what a sweep looks at.
constexpr std::uint64_t kReserve = 256;

}  // namespace

std::uint64_t RaiseOpenFiles() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (limit.rlim_cur != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
}

std::size_t ConnectionsWithin(std::uint64_t open_files, std::size_t wanted) noexcept {
  if (open_files == 0) return wanted;
  // A connection whose request is about an image's bytes has a file open, too.
  const std::uint64_t room = (open_files - std::min(kReserve, open_files / 2)) / 2;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(room, 1, wanted));
}

}  // namespace platter::platterd
