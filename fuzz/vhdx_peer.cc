// vhdx images, read by us and by libvhdi.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

bool Known(const Difference& /*difference*/) { return false; }

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("vhdx", "vhdi", input, MendVhdx, Known); }

}  // namespace platter::fuzz
