// vmdk images, read by us and by libvmdk.
#include <algorithm>
#include <string>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/vmdk/descriptor.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// The text of the descriptor inside a sparse extent; "" without one.
std::string DescriptorInside(Storage& file) {
  std::vector<std::byte> header(512);
  if (!file.ReadPadded(0, header).ok()) return "";
  const std::uint64_t start = LoadLe<std::uint64_t>(header.data() + 28) * 512;
  std::vector<std::byte> bytes(std::min<std::uint64_t>(LoadLe<std::uint64_t>(header.data() + 36), 128) * 512);
  if (start > file.size() || !file.ReadPadded(start, bytes).ok()) return "";
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Where the descriptor and the extent that it lies in disagree, libvmdk goes by the descriptor, we and qemu by the
// extent's header: of the size, and where the descriptor says that the extent is a flat one, of what its bytes are.
bool GoesByTheDescriptor(const Difference& difference) {
  const std::string text = DescriptorInside(difference.file);
  // Libvmdk asks no more of the type than how it begins.
  if (text.find(" FLAT") != text.npos || text.find(" VMFS") != text.npos) return true;
  const auto descriptor = vmdk::ParseDescriptor(text);
  if (!descriptor.ok()) return false;
  std::uint64_t sectors = 0;
  for (const vmdk::ExtentLine& extent : descriptor.value().extents) sectors += extent.sectors;
  return sectors * 512 == difference.theirs.size && difference.ours.size != difference.theirs.size;
}

// Libvmdk has no grains that read as zero (entry 1, where the header has the flag): it reads what lies at sector 1.
bool IsZeroedGrain(const DifferentExtent& extent) {
  constexpr std::uint32_t kZeroedGrains = 4;
  std::vector<std::byte> header(12);
  return extent.ours.status == BlockStatus::kZero && extent.file.ReadPadded(0, header).ok() &&
         LoadLe<std::uint32_t>(header.data()) == 0x564D444B &&
         (LoadLe<std::uint32_t>(header.data() + 8) & kZeroedGrains);
}

bool Known(const Difference& difference) {
  return GoesByTheDescriptor(difference) || (!difference.of_size() && Explained(difference, "vmdk", IsZeroedGrain));
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("vmdk", "vmdk", input, MendNothing, Known); }

}  // namespace platter::fuzz
