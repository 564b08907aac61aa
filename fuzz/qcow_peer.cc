// qcow images, read by us and by libqcow.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// A cluster at a whole sector that is no whole cluster: we and qemu read it there, libqcow elsewhere.
bool AtSector(const DifferentExtent& extent) {
  return extent.ours.host && extent.ours.host->offset % extent.info.allocation_unit != 0;
}

bool Known(const Difference& difference) { return !difference.of_size() && Explained(difference, "qcow", AtSector); }

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("qcow", "qcow", input, MendNothing, Known); }

}  // namespace platter::fuzz
