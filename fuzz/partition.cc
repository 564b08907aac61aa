// Partition tables.
#include "formats/partition/partition_table.h"

#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

void Read(SparseStorage& disk) {
  const auto table = partition::ReadPartitionTable(disk);
  if (!table.ok()) return Told(table.error());
  if (!table.value()) return;
  for (const partition::Partition& partition : table.value()->partitions) {
    Promise(partition.offset + partition.length >= partition.offset, "a partition's end does not wrap");
    Promise(table.value()->Find(partition.number) != nullptr, "a partition is found by its number");
  }
  for (const std::string& finding : table.value()->findings) Promise(!finding.empty(), "a finding says what it is");
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto disk = SparseStorage::FromInput(input);
  Read(*disk);
  if (MendGpt(*disk)) Read(*disk);
}

}  // namespace platter::fuzz
