#include "formats/partition/mbr.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "formats/partition/guid.h"
#include "formats/partition/layout.h"

namespace platter::partition {
namespace {

constexpr std::uint64_t kSector = 512;
using Sector = std::array<std::byte, MbrSector::kSize>;

bool IsExtended(std::uint8_t type) { return std::ranges::find(kExtended, type) != std::end(kExtended); }

bool HasText(const Sector& sector, std::size_t offset, std::string_view text) {
  return std::memcmp(sector.data() + offset, text.data(), text.size()) == 0;
}

// A FAT, exFAT or NTFS volume starts with a boot sector that ends as an MBR does.
bool IsVolumeBootSector(const Sector& sector) {
  if (HasText(sector, 3, "NTFS    ") || HasText(sector, 3, "EXFAT   ")) return true;
  if (HasText(sector, 54, "FAT1") || HasText(sector, 82, "FAT32")) return true;
  const auto fats = std::to_integer<unsigned>(sector[0x10]);
  const auto media = std::to_integer<unsigned>(sector[0x15]);
  return fats == 2 && media == 0xF8;
}

// Empty when the sector is no partition sector.
std::optional<std::array<MbrSlot, 4>> ParseSlots(const Sector& sector) {
  const RecordView<MbrSector> view{std::span<const std::byte, MbrSector::kSize>(sector)};
  if (view.Get<MbrSector::kBootSignature>() != MbrSector::kBootSignatureValue) return std::nullopt;
  std::array<MbrSlot, 4> slots;
  for (std::size_t index = 0; index < slots.size(); ++index) {
    const RecordView<MbrEntry> entry(std::span<const std::byte>(sector)
                                         .subspan(MbrSector::kEntries + index * MbrEntry::kSize)
                                         .first<MbrEntry::kSize>());
    const auto flag = entry.Get<MbrEntry::kBootFlag>();
    if (flag != 0x00 && flag != 0x80) return std::nullopt;
    slots[index] = {.type = entry.Get<MbrEntry::kType>(),
                    .active = flag == 0x80,
                    .start = entry.Get<MbrEntry::kStart>(),
                    .count = entry.Get<MbrEntry::kCount>()};
  }
  return slots;
}

Partition PartitionOf(std::uint32_t number, const MbrSlot& slot, std::uint64_t base) {
  Partition partition;
  partition.number = number;
  partition.offset = (base + slot.start) * kSector;
  partition.length = slot.count * kSector;
  partition.type = fmt::format("{:#04x}", slot.type);
  partition.type_name = MbrTypeName(slot.type);
  partition.bootable = slot.active;
  return partition;
}

class LogicalWalk {
 public:
  LogicalWalk(Storage& disk, const MbrSlot& extended, std::vector<std::string>& findings)
      : disk_(disk), extended_(extended), findings_(findings) {}

  Result<> Run(std::vector<Partition>& partitions) {
    std::uint64_t ebr = extended_.start;  // sectors
    for (std::uint32_t number = 5;; ++number) {
      if (number - 5 >= kMaxLogical) {
        findings_.push_back(fmt::format("more than {} logical partitions: the rest is left out", kMaxLogical));
        return Done{};
      }
      if (!seen_.insert(ebr).second) {
        findings_.push_back(fmt::format("chain of logical partitions comes back to sector {}", ebr));
        return Done{};
      }
      const auto slots = PLATTER_TRY(ReadEbr(ebr));
      if (!slots) return Done{};
      if ((*slots)[0].type != 0 && (*slots)[0].count != 0) partitions.push_back(PartitionOf(number, (*slots)[0], ebr));
      const MbrSlot& next = (*slots)[1];
      if (next.type == 0 || next.count == 0) return Done{};
      if (!IsExtended(next.type) || next.start >= extended_.count) {
        findings_.push_back(
            fmt::format("EBR at sector {}: link to sector {} + {} (type {:#04x}) leads out of the "
                        "extended partition",
                        ebr, extended_.start, next.start, next.type));
        return Done{};
      }
      ebr = extended_.start + next.start;
    }
  }

 private:
  Result<std::optional<std::array<MbrSlot, 4>>> ReadEbr(std::uint64_t ebr) {
    if (ebr * kSector + kSector > disk_.size()) {
      findings_.push_back(fmt::format("EBR at sector {} lies past the disk's end", ebr));
      return std::optional<std::array<MbrSlot, 4>>{};
    }
    Sector sector{};
    PLATTER_CHECK(disk_.ReadAt(ebr * kSector, sector));
    auto slots = ParseSlots(sector);
    if (!slots) findings_.push_back(fmt::format("EBR at sector {} is damaged", ebr));
    return slots;
  }

  Storage& disk_;
  const MbrSlot& extended_;
  std::vector<std::string>& findings_;
  std::set<std::uint64_t> seen_;
};

}  // namespace

bool Mbr::protective() const noexcept {
  return std::ranges::any_of(slots, [](const MbrSlot& slot) { return slot.type == kProtective; });
}

std::size_t Mbr::used() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots, [](const MbrSlot& slot) { return slot.type != 0 && slot.count != 0; }));
}

Result<std::optional<Mbr>> ReadMbr(Storage& disk) {
  Sector sector{};
  PLATTER_CHECK(disk.ReadPadded(0, sector));
  const auto slots = ParseSlots(sector);
  if (!slots || IsVolumeBootSector(sector)) return std::optional<Mbr>{};
  Mbr mbr;
  mbr.disk_signature = MbrSector::kDiskSignature.Decode(sector.data());
  mbr.slots = *slots;
  return std::optional<Mbr>(mbr);
}

Result<std::vector<Partition>> ListMbr(Storage& disk, const Mbr& mbr, std::vector<std::string>& findings) {
  std::vector<Partition> partitions;
  for (std::uint32_t index = 0; index < mbr.slots.size(); ++index) {
    const MbrSlot& slot = mbr.slots[index];
    if (slot.type == 0 || slot.count == 0) continue;
    partitions.push_back(PartitionOf(index + 1, slot, 0));
  }
  for (const MbrSlot& slot : mbr.slots) {
    if (!IsExtended(slot.type) || slot.count == 0) continue;
    PLATTER_CHECK(LogicalWalk(disk, slot, findings).Run(partitions));
    break;  // Linux and DOS know one
  }
  return partitions;
}

}  // namespace platter::partition
