// vmdk images, read by us and by libvmdk.
#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/vmdk/descriptor.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// The size that the descriptor inside a sparse extent gives: libvmdk goes by it, we and qemu by the extent's header.
bool SizeOfDescriptor(const Difference& difference) {
  std::vector<std::byte> header(512);
  if (!difference.file.ReadPadded(0, header).ok()) return false;
  const std::uint64_t start = LoadLe<std::uint64_t>(header.data() + 28) * 512;
  std::vector<std::byte> bytes(std::min<std::uint64_t>(LoadLe<std::uint64_t>(header.data() + 36), 128) * 512);
  if (start > difference.file.size() || !difference.file.ReadPadded(start, bytes).ok()) return false;
  const auto descriptor =
      vmdk::ParseDescriptor(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (!descriptor.ok()) return false;
  std::uint64_t sectors = 0;
  for (const vmdk::ExtentLine& extent : descriptor.value().extents) sectors += extent.sectors;
  return sectors * 512 == difference.theirs.size && difference.ours.size != difference.theirs.size;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  CompareWithPeer("vmdk", "vmdk", input, MendNothing, SizeOfDescriptor);
}

}  // namespace platter::fuzz
