// vmdk images, read by us and by libvmdk.
#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/vmdk/descriptor.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// The descriptor inside a sparse extent.
std::optional<vmdk::Descriptor> DescriptorInside(Storage& file) {
  std::vector<std::byte> header(512);
  if (!file.ReadPadded(0, header).ok()) return std::nullopt;
  const std::uint64_t start = LoadLe<std::uint64_t>(header.data() + 28) * 512;
  std::vector<std::byte> bytes(std::min<std::uint64_t>(LoadLe<std::uint64_t>(header.data() + 36), 128) * 512);
  if (start > file.size() || !file.ReadPadded(start, bytes).ok()) return std::nullopt;
  auto descriptor = vmdk::ParseDescriptor(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!descriptor.ok()) return std::nullopt;
  return std::move(descriptor).value();
}

// Where the descriptor and the extent that it lies in disagree, libvmdk goes by the descriptor, we and qemu by the
// extent's header: of the size, and where the descriptor says that the extent is a flat one, of what its bytes are.
bool GoesByTheDescriptor(const Difference& difference) {
  const auto descriptor = DescriptorInside(difference.file);
  if (!descriptor) return false;
  std::uint64_t sectors = 0;
  for (const vmdk::ExtentLine& extent : descriptor->extents) sectors += extent.sectors;
  const bool flat = std::ranges::any_of(descriptor->extents, [](const vmdk::ExtentLine& extent) {
    return extent.type == vmdk::ExtentType::kFlat || extent.type == vmdk::ExtentType::kVmfs;
  });
  return flat || (sectors * 512 == difference.theirs.size && difference.ours.size != difference.theirs.size);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  CompareWithPeer("vmdk", "vmdk", input, MendNothing, GoesByTheDescriptor);
}

}  // namespace platter::fuzz
