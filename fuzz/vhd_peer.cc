// vhd images, read by us and by libvhdi.
#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/vhd/layout.h"
#include "formats/vhd/locate.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// libvhdi takes a disk to be as large as it was made, we and qemu as large as it is now.
bool IsSizeOfNewDisk(const Difference& difference) {
  constexpr std::uint64_t kFooter = vhd::FooterLayout::kSize;
  std::array<std::byte, kFooter> footer{};
  const std::uint64_t size = difference.file.size();
  for (const std::uint64_t at : {std::uint64_t{0}, size - std::min(size, kFooter)}) {
    if (!difference.file.ReadPadded(at, footer).ok()) return false;
    if (vhd::FooterLayout::kOriginalSize.Decode(footer.data()) == difference.theirs.size) return true;
  }
  return false;
}

// A sector of a stored block whose bit is clear: zeros, as the specification says; libvhdi, and qemu, read what lies in
// the block.
bool HasClearBit(const DifferentExtent& extent) {
  const auto headers = vhd::LoadHeaders(extent.file, {}, Dialect::kPlatter);
  if (extent.ours.status == BlockStatus::kData || !headers.ok() || !headers.value().sparse) return false;
  const std::uint64_t block = extent.guest.offset() / extent.info.allocation_unit;
  std::array<std::byte, 4> entry{};
  if (!extent.file.ReadPadded(headers.value().sparse->table_offset + block * entry.size(), entry).ok()) return false;
  return LoadBe<std::uint32_t>(entry.data()) != vhd::kUnallocated;
}

bool Known(const Difference& difference) {
  return (!difference.of_size() || IsSizeOfNewDisk(difference)) && Explained(difference, "vhd", HasClearBit);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("vhd", "vhdi", input, MendVhd, Known); }

}  // namespace platter::fuzz
