// qcow images, read by us and by libqcow.
#include <algorithm>
#include <cstddef>
#include <memory>

#include "formats/format_table.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// A cluster at a whole sector that is no whole cluster: we and qemu read it there, libqcow elsewhere.
bool ClusterAtSector(const Difference& difference) {
  if (difference.ours.size != difference.theirs.size) return false;
  const auto [ours, theirs] = std::ranges::mismatch(difference.ours.bytes, difference.theirs.bytes);
  if (ours == difference.ours.bytes.end() || theirs == difference.theirs.bytes.end()) return false;
  const auto at = static_cast<std::uint64_t>(ours - difference.ours.bytes.begin());
  DenyGate gate;
  const std::shared_ptr<Storage> file(std::shared_ptr<void>(), &difference.file);
  const auto image = FindFormat("qcow")->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok()) return false;
  const std::uint64_t cluster_size = image.value()->info().allocation_unit;
  const auto extent = image.value()->Map(at - at % cluster_size, 1);
  return extent.ok() && extent.value().host && extent.value().host->offset % cluster_size != 0;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  CompareWithPeer("qcow", "qcow", input, MendNothing, ClusterAtSector);
}

}  // namespace platter::fuzz
