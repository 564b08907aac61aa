// El Torito: the boot catalog, with an entry for each boot image.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/findings.h"

namespace platter::iso {

struct BootEntry {
  std::uint8_t platform = 0;  // of its section: 0 x86, 1 PowerPC, 2 Mac, 0xEF EFI
  bool bootable = false;
  std::uint8_t media = 0;  // 0 no emulation, 1 to 3 floppy disks of 1.2, 1.44 and 2.88 MB, 4 hard disk
  std::uint8_t system_type = 0;
  std::uint16_t load_segment = 0;
  std::uint32_t sector_count = 0;  // of 512 bytes, what the firmware loads
  std::uint32_t block = 0;         // of 2048 bytes
  std::uint64_t image_size = 0;    // bytes: of the file system in the image where there is a FAT, else as loaded
};

struct BootCatalog {
  std::uint32_t block = 0;  // of 2048 bytes
  std::string id;           // of the validation entry
  std::vector<BootEntry> entries;
};

// "x86", "efi", "powerpc", "mac", or the number.
std::string PlatformName(std::uint8_t platform);
// "none", "floppy-1.44", ..., "hard-disk", or the number.
std::string EmulationName(std::uint8_t media);

// The catalog at `block`. What is wrong in it goes to `findings`; kCorrupt only when it lies outside the file, kIo.
Result<BootCatalog> ReadBootCatalog(Storage& storage, std::uint32_t block, Findings& findings);

}  // namespace platter::iso
