// iso images.
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) { WalkImage("iso", input, MendUdf); }

}  // namespace platter::fuzz
