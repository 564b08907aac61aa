// vhd images, read by us and by libvhdi.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

bool Known(const Difference& /*difference*/) { return false; }

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("vhd", "vhdi", input, MendVhd, Known); }

}  // namespace platter::fuzz
