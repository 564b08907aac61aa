#include "convert/amazon/boot_disk.h"

#include <algorithm>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/core/memory_storage.h"
#include "formats/partition/layout.h"

namespace platter::amazon {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kAlignment = std::uint64_t{1} << 20;
constexpr std::uint8_t kFat16 = 0x0E;
constexpr std::uint8_t kLinux = 0x83;

Error ReadOnly(const Storage& storage) {
  return Error(ErrorKind::kInvalid, "a disk that is put together for reading cannot be written").In(storage.name());
}

// CHS addresses say "beyond my reach": every BIOS of this century goes by sectors.
void WriteEntry(std::span<std::byte> sector, std::size_t index, std::uint8_t type, bool active, std::uint64_t offset,
                std::uint64_t length) {
  using partition::MbrEntry;
  const auto bytes = sector.subspan(partition::MbrSector::kEntries + index * MbrEntry::kSize).first<MbrEntry::kSize>();
  for (const std::size_t chs : {std::size_t{1}, std::size_t{5}}) {
    bytes[chs] = std::byte{0xFE};
    bytes[chs + 1] = std::byte{0xFF};
    bytes[chs + 2] = std::byte{0xFF};
  }
  RecordEditor<MbrEntry> entry(bytes);
  entry.Set<MbrEntry::kBootFlag>(active ? 0x80 : 0);
  entry.Set<MbrEntry::kType>(type);
  entry.Set<MbrEntry::kStart>(static_cast<std::uint32_t>(offset / kSector));
  entry.Set<MbrEntry::kCount>(static_cast<std::uint32_t>(DivideRoundingUp(length, kSector)));
}

}  // namespace

const PlacedStorage::Part* PlacedStorage::At(std::uint64_t offset, std::uint64_t& length) const {
  for (const Part& part : parts_) {
    if (offset < part.offset) {
      length = part.offset - offset;
      return nullptr;
    }
    if (offset - part.offset < part.bytes->size()) {
      length = part.offset + part.bytes->size() - offset;
      return &part;
    }
  }
  length = size_ - offset;
  return nullptr;
}

Result<> PlacedStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    std::uint64_t length = 0;
    const Part* part = At(offset, length);
    const auto piece = out.first(std::min<std::uint64_t>(length, out.size()));
    if (part == nullptr) {
      std::ranges::fill(piece, std::byte{0});
    } else {
      PLATTER_CHECK(part->bytes->ReadAt(offset - part->offset, piece));
    }
    offset += piece.size();
    out = out.subspan(piece.size());
  }
  return Done{};
}

Result<DataRun> PlacedStorage::DoDataMap(std::uint64_t offset) {
  std::uint64_t length = 0;
  const Part* part = At(offset, length);
  if (part == nullptr) return DataRun{.length = length, .data = false};
  return part->bytes->DataMap(offset - part->offset);
}

Result<> PlacedStorage::DoWrite(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) {
  return ReadOnly(*this);
}

Result<> PlacedStorage::DoResize(std::uint64_t /*size*/) { return ReadOnly(*this); }

Result<> PlacedStorage::DoPunch(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(*this); }

Result<> PlacedStorage::DoAllocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(*this); }

Result<std::shared_ptr<Storage>> MakeBootDisk(std::span<const std::byte> boot_code, std::uint32_t signature,
                                              std::shared_ptr<Storage> boot, std::shared_ptr<Storage> root) {
  constexpr std::uint64_t kReach = (std::uint64_t{1} << 32) * kSector;
  if (boot->size() >= kReach / 2 || root->size() >= kReach - kReach / 2) {
    return Error(ErrorKind::kLimit, "an MBR cannot name partitions beyond 2 TiB").Found(root->size());
  }
  const std::uint64_t root_offset = AlignUp(kBootOffset + boot->size(), kAlignment);
  const std::uint64_t end = root_offset + root->size();
  std::vector<std::byte> sector(kSector);
  std::ranges::copy(boot_code.first(std::min(boot_code.size(), kBootCodeBytes)), sector.begin());
  StoreLe(sector.data() + partition::MbrSector::kDiskSignature.offset, signature);
  StoreLe(sector.data() + partition::MbrSector::kBootSignature.offset, partition::MbrSector::kBootSignatureValue);
  WriteEntry(sector, 0, kFat16, true, kBootOffset, boot->size());
  WriteEntry(sector, 1, kLinux, false, root_offset, root->size());
  std::vector<PlacedStorage::Part> parts;
  parts.push_back({0, std::make_shared<MemoryStorage>("MBR", std::move(sector))});
  parts.push_back({kBootOffset, std::move(boot)});
  parts.push_back({root_offset, std::move(root)});
  return std::shared_ptr<Storage>(
      std::make_shared<PlacedStorage>("bootable disk", std::move(parts), AlignUp(end, kAlignment)));
}

}  // namespace platter::amazon
