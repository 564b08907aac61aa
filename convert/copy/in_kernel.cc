#include "convert/copy/in_kernel.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/core/storage.h"

namespace platter::copy {
namespace {

// One write of the guest bytes from `guest_offset` on, piece by piece as the segments have them.
bool CopyWrite(const Window& window, std::uint64_t guest_offset, const HostWrite& write) {
  std::uint64_t done = 0;
  auto segment = std::ranges::upper_bound(window.segments, guest_offset, {}, &Segment::end);
  for (; done < write.bytes.size() && segment != window.segments.end(); ++segment) {
    const std::uint64_t skip = guest_offset + done - segment->offset;
    const std::uint64_t part = std::min(segment->length - skip, write.bytes.size() - done);
    if (!segment->host) return false;
    const HostSpot& from = *segment->host;
    if (!write.file->CopyInHost(*from.file, from.offset + skip, write.offset + done, part)) return false;
    done += part;
  }
  return done == write.bytes.size();
}

}  // namespace

bool LiesVerbatim(const Window& window, std::uint64_t unit) {
  const auto usable = [&](const Segment& segment) {
    const bool whole = segment.end() == window.end() || IsAligned(segment.end(), unit);
    if (segment.kind != Segment::Kind::kData) return whole;
    if (!whole || !segment.host || segment.host->file->fd() < 0) return false;
    // The last sector of an odd-sized file is not all there.
    return FitsWithin(segment.host->offset, segment.length, segment.host->file->size());
  };
  return std::ranges::all_of(window.segments, usable);
}

bool StoreInKernel(const Window& window, const Batch& batch) {
  for (const HostWrite& write : batch.writes) {
    if (write.bytes.empty()) return false;
    const bool ours = write.bytes.data() >= batch.bytes.data() &&
                      write.bytes.data() + write.bytes.size() <= batch.bytes.data() + batch.bytes.size();
    if (!ours) return false;
    const auto in_batch = static_cast<std::uint64_t>(write.bytes.data() - batch.bytes.data());
    if (!CopyWrite(window, batch.offset + in_batch, write)) return false;
  }
  return true;
}

}  // namespace platter::copy
