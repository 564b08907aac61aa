#include "formats/iso/details.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

using Kind = VolumeDescriptor::Kind;

void AddText(Detail& detail, const char* key, const std::string& value) {
  if (!value.empty()) detail.Add(key, value);
}

// The identifiers of the descriptor that says most: the primary one, or UDF's.
void AddIdentifiers(const Volume& volume, Detail& detail) {
  if (const VolumeDescriptor* primary = volume.Find(Kind::kPrimary)) {
    detail.Add("volume-id", primary->volume_id);
    AddText(detail, "system-id", primary->system_id);
    AddText(detail, "volume-set-id", primary->volume_set_id);
    AddText(detail, "publisher", primary->publisher);
    AddText(detail, "preparer", primary->preparer);
    AddText(detail, "application", primary->application);
    AddText(detail, "created", primary->created);
    AddText(detail, "modified", primary->modified);
    if (primary->set_size > 1) {
      detail.Add("volume-set-size", std::uint32_t{primary->set_size});
      detail.Add("volume-sequence-number", std::uint32_t{primary->sequence_number});
    }
  } else if (volume.udf) {
    detail.Add("volume-id", volume.udf->logical_volume_id);
    AddText(detail, "volume-set-id", volume.udf->volume_set_id);
    AddText(detail, "application", volume.udf->application);
  }
  if (const VolumeDescriptor* joliet = volume.Find(Kind::kJoliet)) detail.Add("joliet-volume-id", joliet->volume_id);
}

Detail::List SystemsOf(const Volume& volume) {
  Detail::List systems;
  for (const VolumeDescriptor& descriptor : volume.descriptors) {
    if (descriptor.kind == Kind::kPrimary) systems.emplace_back("iso9660");
    if (descriptor.kind == Kind::kJoliet) systems.emplace_back(fmt::format("joliet-{}", descriptor.joliet_level));
    if (descriptor.kind == Kind::kEnhanced) systems.emplace_back("iso9660-1999");
    if (descriptor.kind == Kind::kSupplementary) systems.emplace_back("supplementary");
    if (descriptor.extended_architecture) systems.emplace_back("cd-rom-xa");
  }
  if (volume.susp) {
    systems.emplace_back("rock-ridge");
    for (const std::string& extension : volume.susp->extensions) {
      if (!extension.starts_with("RRIP") && !extension.starts_with("IEEE_")) systems.emplace_back(extension);
    }
  }
  if (volume.boot) systems.emplace_back("el-torito");
  if (volume.udf) {
    systems.emplace_back(fmt::format("udf-{:x}.{:02x}", volume.udf->revision >> 8, volume.udf->revision & 0xFF));
  }
  return systems;
}

Detail::List BootEntriesOf(const BootCatalog& catalog) {
  Detail::List list;
  for (const BootEntry& entry : catalog.entries) {
    Detail detail;
    detail.Add("platform", PlatformName(entry.platform)).Add("bootable", entry.bootable);
    detail.Add("emulation", EmulationName(entry.media));
    if (entry.load_segment != 0) detail.Add("load-segment", std::uint32_t{entry.load_segment});
    detail.Add("load-sectors", entry.sector_count).Add("offset", entry.block * kSectorSize);
    detail.Add("image-size", entry.image_size);
    list.push_back(std::move(detail));
  }
  return list;
}

// Partition tables in the system area: what makes the image boot from a USB stick.
Result<Detail::List> HybridOf(Storage& storage) {
  constexpr std::size_t kSector = 512;
  std::array<std::byte, 2 * kSector> area{};
  PLATTER_CHECK(storage.ReadPadded(0, area));
  Detail::List tables;
  const auto bytes = std::span<const std::byte>(area);
  bool partitions = false;
  for (std::size_t at = 446; at < 510; at += 16) partitions = partitions || area[at + 4] != std::byte{0};
  if (LoadLe<std::uint16_t>(area.data() + 510) == 0xAA55 && partitions) tables.emplace_back("mbr");
  if (AsText(bytes.subspan(kSector, 8)) == "EFI PART") tables.emplace_back("gpt");
  if (AsText(bytes.first(2)) == "ER") tables.emplace_back("apm");
  return tables;
}

void AddSizes(const DetailsRequest& request, Detail& detail) {
  const std::uint64_t claimed = request.volume.claimed_size;
  const std::uint64_t stored = request.storage.size();
  detail.Add("volume-size", claimed).Add("truncated", stored < claimed);
  if (stored < claimed) detail.Add("missing-bytes", claimed - stored);
  if (stored > claimed) detail.Add("tail-bytes", stored - claimed);
}

}  // namespace

Result<Detail> DetailsOf(const DetailsRequest& request) {
  const Volume& volume = request.volume;
  Detail detail;
  AddIdentifiers(volume, detail);
  detail.Add("systems", SystemsOf(volume));
  if (!request.tree.empty()) detail.Add("names", request.tree);
  if (const VolumeDescriptor* primary = volume.Find(Kind::kPrimary)) {
    detail.Add("block-size", primary->block_size);
    detail.Add("media-checksum", primary->media_checksum);
  } else if (volume.udf) {
    detail.Add("block-size", volume.udf->block_size);
  }
  AddSizes(request, detail);
  if (request.raw_sectors) detail.Add("raw-sectors", true);
  if (volume.boot) detail.Add("boot-entries", BootEntriesOf(*volume.boot));
  if (Detail::List hybrid = PLATTER_TRY(HybridOf(request.storage)); !hybrid.empty()) {
    detail.Add("partition-tables", std::move(hybrid));
  }
  if (volume.findings.count() != 0) {
    Detail::List findings(volume.findings.list().begin(), volume.findings.list().end());
    detail.Add("findings", std::move(findings));
  }
  return detail;
}

}  // namespace platter::iso
