// The partition that starts a kernel: a FAT file system with syslinux on it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "tools/platter/run_program.h"

namespace platter::cli {

struct BootPartitionRequest {
  Storage* kernel = nullptr;
  Storage* ramdisk = nullptr;  // null: none
  std::string command_line;    // the kernel's
  std::uint32_t serial = 0;    // of the FAT volume
};

// Made with mtools and syslinux out of files in `scratch`, which must outlive it. Equal requests give equal bytes.
// kUnsupported where a program is missing, kLimit for what does not fit into FAT16, kIo.
Result<std::shared_ptr<Storage>> MakeBootPartition(const ScratchFolder& scratch, const BootPartitionRequest& request);

// The MBR's boot code that comes with syslinux. kUnsupported where it is missing.
Result<std::vector<std::byte>> ReadBootCode();

}  // namespace platter::cli
