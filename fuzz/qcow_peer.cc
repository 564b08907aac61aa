// qcow images, read by us and by libqcow.
#include <vector>

#include "formats/core/bytes.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/peer.h"

namespace platter::fuzz {
namespace {

// Whether the second table of a guest offset lies at a multiple of its own size, or there is none.
bool AtTableSize(SparseStorage& file, std::uint64_t guest) {
  std::vector<std::byte> header(48);
  std::vector<std::byte> entry(8);
  if (!file.ReadPadded(0, header).ok()) return true;
  const unsigned entry_bits = LoadBe<std::uint8_t>(header.data() + 33);
  const unsigned covers = LoadBe<std::uint8_t>(header.data() + 32) + entry_bits;
  const std::uint64_t first_table = LoadBe<std::uint64_t>(header.data() + 40);
  if (covers > 63 || !file.ReadPadded(first_table + (guest >> covers) * entry.size(), entry).ok()) return true;
  return LoadBe<std::uint64_t>(entry.data()) % (entry.size() << entry_bits) == 0;
}

// A cluster, or a second table, at a place that is no multiple of its size: we and qemu read it there, libqcow at the
// multiple below.
bool NotAtItsSize(const DifferentExtent& extent) {
  return (extent.ours.host && extent.ours.host->offset % extent.info.allocation_unit != 0) ||
         !AtTableSize(extent.file, extent.guest.offset());
}

bool Known(const Difference& difference) {
  return !difference.of_size() && Explained(difference, "qcow", NotAtItsSize);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) { CompareWithPeer("qcow", "qcow", input, MendNothing, Known); }

}  // namespace platter::fuzz
