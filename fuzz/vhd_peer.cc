// vhd images, read by us and by libvhdi.
#include <algorithm>
#include <array>

#include "formats/vhd/layout.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// libvhdi takes a disk to be as large as it was made, we and qemu as large as it is now.
bool SizeOfNewDisk(const Difference& difference) {
  const std::size_t common = std::min(difference.ours.bytes.size(), difference.theirs.bytes.size());
  if (!std::ranges::equal(std::span(difference.ours.bytes).first(common),
                          std::span(difference.theirs.bytes).first(common))) {
    return false;
  }
  constexpr std::uint64_t kFooter = vhd::FooterLayout::kSize;
  std::array<std::byte, kFooter> footer{};
  const std::uint64_t size = difference.file.size();
  for (const std::uint64_t at : {std::uint64_t{0}, size - std::min(size, kFooter)}) {
    if (!difference.file.ReadPadded(at, footer).ok()) return false;
    if (vhd::FooterLayout::kOriginalSize.Decode(footer.data()) == difference.theirs.size) return true;
  }
  return false;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  CompareWithPeer("vhd", "vhdi", input, MendVhd, SizeOfNewDisk);
}

}  // namespace platter::fuzz
