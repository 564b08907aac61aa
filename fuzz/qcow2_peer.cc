// qcow2 images, read by us and by libqcow.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// libqcow has no flag for clusters that read as zero: it reads what lies at the offset beside the flag, even at 0.
bool HasZeroFlag(const DifferentExtent& extent) { return extent.ours.status == BlockStatus::kZero; }

bool Known(const Difference& difference) {
  return !difference.of_size() && Explained(difference, "qcow2", HasZeroFlag);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("qcow2", "qcow", input, MendNothing, Known); }

}  // namespace platter::fuzz
