#include "convert/copy/in_kernel.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/core/storage.h"

namespace platter::copy {
namespace {

bool Move(HostMove move, const HostSpot& from, std::uint64_t skip, Storage& to, std::uint64_t offset,
          std::uint64_t length) {
  if (move == HostMove::kReflink) return to.Reflink(*from.file, from.offset + skip, offset, length);
  return to.CopyInHost(*from.file, from.offset + skip, offset, length);
}

// One write of the guest bytes from `guest_offset` on, piece by piece as the segments have them.
bool MoveWrite(const Window& window, HostMove move, std::uint64_t guest_offset, const HostWrite& write) {
  std::uint64_t done = 0;
  auto segment = std::ranges::upper_bound(window.segments, guest_offset, {}, &Segment::end);
  for (; done < write.bytes.size() && segment != window.segments.end(); ++segment) {
    const std::uint64_t skip = guest_offset + done - segment->offset;
    const std::uint64_t part = std::min(segment->length - skip, write.bytes.size() - done);
    if (!segment->host) return false;
    if (!Move(move, *segment->host, skip, *write.file, write.offset + done, part)) return false;
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

Reflinks::Reflinks(const Storage* target, std::uint64_t host_alignment)
    : target_(target), host_alignment_(host_alignment) {
  const std::uint64_t unit = target_ == nullptr ? 0 : target_->ReflinkUnit(*target_);
  if (unit == 0 || !IsAligned(host_alignment_, unit)) target_ = nullptr;
}

std::uint64_t Reflinks::UnitWith(const Storage& source) {
  const auto known = std::ranges::find(units_, &source, &std::pair<const Storage*, std::uint64_t>::first);
  if (known != units_.end()) return known->second;
  return units_.emplace_back(&source, target_->ReflinkUnit(source)).second;
}

bool Reflinks::Fit(const Window& window) {
  if (!possible()) return false;
  return std::ranges::all_of(window.segments, [this](const Segment& segment) {
    if (segment.kind != Segment::Kind::kData) return true;
    const std::uint64_t unit = UnitWith(*segment.host->file);
    return unit != 0 && IsAligned(segment.host->offset | segment.offset | segment.length, unit);
  });
}

bool StoreInKernel(const Window& window, HostMove move, Batch& batch) {
  const auto is_payload = [&](const HostWrite& write) {
    return !write.bytes.empty() && write.bytes.data() >= batch.bytes.data() &&
           write.bytes.data() + write.bytes.size() <= batch.bytes.data() + batch.bytes.size();
  };
  for (const HostWrite& write : batch.writes) {
    if (!is_payload(write)) continue;
    const auto in_batch = static_cast<std::uint64_t>(write.bytes.data() - batch.bytes.data());
    if (!MoveWrite(window, move, batch.offset + in_batch, write)) return false;
  }
  std::erase_if(batch.writes, is_payload);
  return true;
}

}  // namespace platter::copy
