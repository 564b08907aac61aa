#include "formats/partition/partition_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/partition/gpt.h"
#include "formats/partition/layout.h"
#include "formats/partition/mbr.h"

namespace platter::partition {
namespace {

constexpr std::array<std::uint32_t, 2> kSectorSizes = {512, 4096};

std::uint64_t LastLba(const Storage& disk, std::uint32_t sector_size) {
  const std::uint64_t count = disk.size() / sector_size;
  return count == 0 ? 0 : count - 1;
}

void CheckBackup(Storage& disk, GptCopy& primary, Copies copies) {
  const std::uint64_t last = LastLba(disk, primary.table.sector_size);
  auto& findings = primary.table.findings;
  if (primary.alternate_lba > last) {
    findings.push_back(fmt::format("the second copy of the table (sector {}) lies past the disk's end (sector {})",
                                   primary.alternate_lba, last));
    return;
  }
  if (primary.alternate_lba != last) {
    findings.push_back(fmt::format("the second copy of the table is in sector {}, not in the last one ({})",
                                   primary.alternate_lba, last));
    if (copies == Copies::kAtTheEnd) return;
  }
  const auto backup = ReadGptCopy(disk, primary.alternate_lba, primary.table.sector_size);
  if (!backup.ok()) {
    findings.push_back("the second copy of the table: " + backup.error().Describe());
  } else if (backup.value().table.id != primary.table.id) {
    findings.push_back("the second copy of the table belongs to another disk");
  }
}

// The table from its copy in the last sector, after the first one failed with `first_error`.
Result<GptCopy> ReadBackup(Storage& disk, std::uint32_t sector_size, Error first_error) {
  auto backup = ReadGptCopy(disk, LastLba(disk, sector_size), sector_size);
  if (!backup.ok()) return first_error;
  GptCopy copy = std::move(backup).value();
  copy.table.findings.insert(copy.table.findings.begin(), "the first copy of the table: " + first_error.Describe());
  return copy;
}

// The sector size that a GPT header can be found with: the first copy's signature, else, for a disk whose MBR speaks of
// a GPT, the last one's.
Result<std::optional<std::uint32_t>> FindGpt(Storage& disk, bool protective) {
  for (const std::uint32_t size : kSectorSizes) {
    if (PLATTER_TRY(HasGptSignature(disk, 1, size))) return std::optional(size);
  }
  for (const std::uint32_t size : kSectorSizes) {
    const std::uint64_t last = LastLba(disk, size);
    if (protective && last > 1 && PLATTER_TRY(HasGptSignature(disk, last, size))) return std::optional(size);
  }
  return std::optional<std::uint32_t>{};
}

Result<PartitionTable> ReadGpt(Storage& disk, std::uint32_t sector_size, Copies copies) {
  auto primary = ReadGptCopy(disk, 1, sector_size);
  if (!primary.ok()) {
    if (primary.error().kind() == ErrorKind::kIo) return std::move(primary).error();
    return std::move(PLATTER_TRY(ReadBackup(disk, sector_size, std::move(primary).error())).table);
  }
  CheckBackup(disk, primary.value(), copies);
  return std::move(primary.value().table);
}

void FindOverlaps(const Storage& disk, PartitionTable& table) {
  std::vector<const Partition*> sorted;
  for (const Partition& partition : table.partitions) {
    if (partition.offset + partition.length > disk.size()) {
      table.findings.push_back(fmt::format("partition {} ends at {}, past the disk's end at {}", partition.number,
                                           partition.offset + partition.length, disk.size()));
    }
    const bool container = partition.type_name.ends_with("extended");
    if (!container) sorted.push_back(&partition);
  }
  std::ranges::sort(sorted, {}, &Partition::offset);
  for (std::size_t at = 1; at < sorted.size(); ++at) {
    if (sorted[at - 1]->offset + sorted[at - 1]->length <= sorted[at]->offset) continue;
    table.findings.push_back(fmt::format("partitions {} and {} overlap", sorted[at - 1]->number, sorted[at]->number));
  }
}

}  // namespace

std::string_view SchemeName(Scheme scheme) noexcept {
  constexpr std::array<std::string_view, 3> kNames = {"mbr", "gpt", "hybrid"};
  return kNames[static_cast<std::size_t>(scheme)];
}

const Partition* PartitionTable::Find(std::uint32_t number) const noexcept {
  const auto found = std::ranges::find(partitions, number, &Partition::number);
  return found == partitions.end() ? nullptr : &*found;
}

Result<std::optional<PartitionTable>> ReadPartitionTable(Storage& disk, Copies copies) {
  const auto mbr = PLATTER_TRY(ReadMbr(disk));
  const bool protective = mbr && mbr->protective();
  const auto sector_size = PLATTER_TRY(FindGpt(disk, protective));
  PartitionTable table;
  if (sector_size) {
    table = PLATTER_TRY(ReadGpt(disk, *sector_size, copies));
    if (!protective) table.findings.emplace_back("no protective MBR");
    if (protective && mbr->used() > 1) {
      table.scheme = Scheme::kHybrid;
      table.mbr_partitions = PLATTER_TRY(ListMbr(disk, *mbr, table.findings));
    }
  } else {
    if (!mbr || mbr->used() == 0) return std::optional<PartitionTable>{};
    table.id = fmt::format("{:#010x}", mbr->disk_signature);
    table.partitions = PLATTER_TRY(ListMbr(disk, *mbr, table.findings));
    table.gpt_missing = protective;
    if (protective) table.findings.emplace_back("the MBR speaks of a GUID partition table, but there is none");
  }
  FindOverlaps(disk, table);
  return std::optional<PartitionTable>(std::move(table));
}

}  // namespace platter::partition
