// qcow images, read by us and by libqcow.
#include <vector>

#include "formats/core/bytes.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// Where the second table of a guest offset lies; 0 without one.
std::uint64_t SecondTable(SparseStorage& file, std::uint64_t guest) {
  std::vector<std::byte> header(48);
  std::vector<std::byte> entry(8);
  if (!file.ReadPadded(0, header).ok()) return 0;
  const unsigned covers = LoadBe<std::uint8_t>(header.data() + 32) + LoadBe<std::uint8_t>(header.data() + 33);
  const std::uint64_t first_table = LoadBe<std::uint64_t>(header.data() + 40);
  if (covers > 63 || !file.ReadPadded(first_table + (guest >> covers) * entry.size(), entry).ok()) return 0;
  return LoadBe<std::uint64_t>(entry.data());
}

// A cluster, or a second table, at a place that is no whole cluster: we and qemu read it there, libqcow elsewhere.
bool NotAtCluster(const DifferentExtent& extent) {
  const std::uint64_t cluster = extent.info.allocation_unit;
  return (extent.ours.host && extent.ours.host->offset % cluster != 0) ||
         SecondTable(extent.file, extent.guest.offset()) % cluster != 0;
}

bool Known(const Difference& difference) {
  return !difference.of_size() && Explained(difference, "qcow", NotAtCluster);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("qcow", "qcow", input, MendNothing, Known); }

}  // namespace platter::fuzz
