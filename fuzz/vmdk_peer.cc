// vmdk images, read by us and by libvmdk.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

bool Known(const Difference& /*difference*/) { return false; }

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("vmdk", "vmdk", input, MendNothing, Known); }

}  // namespace platter::fuzz
