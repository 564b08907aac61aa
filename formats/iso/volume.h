// A volume's descriptors: the set that starts at sector 16, and what they lead to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/boot_catalog.h"
#include "formats/iso/directory_record.h"
#include "formats/iso/findings.h"
#include "formats/iso/rock_ridge.h"
#include "formats/iso/udf_volume.h"

namespace platter::iso {

// A primary, supplementary (Joliet) or enhanced (ISO 9660:1999) volume descriptor: one way to name the volume's files.
struct VolumeDescriptor {
  enum class Kind : std::uint8_t { kPrimary, kJoliet, kEnhanced, kSupplementary };
  Kind kind = Kind::kPrimary;
  int joliet_level = 0;           // 1 to 3
  std::uint64_t host_offset = 0;  // of the descriptor
  std::string system_id;
  std::string volume_id;
  std::string volume_set_id;
  std::string publisher;
  std::string preparer;
  std::string application;
  std::string created;  // "2024-05-06 07:08:09 +01:00", "" when not given
  std::string modified;
  std::uint32_t block_size = 0;       // logical blocks, bytes: 512, 1024 or 2048
  std::uint32_t space_size = 0;       // logical blocks
  std::uint32_t path_table_size = 0;  // bytes
  std::uint32_t l_path_table = 0;     // logical blocks
  std::uint32_t m_path_table = 0;
  std::uint16_t set_size = 1;
  std::uint16_t sequence_number = 1;
  bool extended_architecture = false;  // CD-ROM XA
  bool media_checksum = false;         // implanted by isomd5sum
  DirectoryRecord root;
};

struct Volume {
  std::vector<VolumeDescriptor> descriptors;  // in the order of the set; empty: UDF only
  std::optional<SuspHeader> susp;             // of the primary descriptor's tree
  std::optional<BootCatalog> boot;
  std::optional<UdfVolume> udf;
  std::uint64_t claimed_size = 0;  // bytes, as the descriptors say
  bool high_sierra = false;        // a descriptor of the older format stands among the others
  Findings findings;

  const VolumeDescriptor* Find(VolumeDescriptor::Kind kind) const noexcept;
};

// Whether a sector is what a set of volume descriptors starts with: "CD001", or UDF's recognition sequence.
bool IsVolumeDescriptor(std::span<const std::byte> sector) noexcept;
// Whether a sector is a descriptor of ECMA-167 that may stand in front of those, and says nothing of the volume.
bool IsPassedOver(std::span<const std::byte> sector) noexcept;
// Whether such a set starts at sector 16. kIo, and what the storage's reads give.
Result<bool> StartsVolume(Storage& storage);

// kNotThisFormat without such a set; kUnsupported for High Sierra; kCorrupt where the primary descriptor (or, without
// one, UDF's structures) cannot be used at all. Everything less is a finding.
Result<Volume> ReadVolume(const std::shared_ptr<Storage>& storage);

}  // namespace platter::iso
