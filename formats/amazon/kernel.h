// Linux kernels in the forms in which boot loaders take them: what an aki holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::amazon {

struct Kernel {
  std::string_view type;          // "bzImage", "zImage", "vmlinux", "Image", "zboot", "uImage"
  std::string_view architecture;  // "x86", "x86_64", "arm64", "riscv", "arm", ...; "" when the header does not say
  std::string version;            // "6.1.0-56-cloud-amd64 (...) #1 SMP ..."; "" when the header does not say
  std::string_view compression;   // of the whole file (vmlinux.gz) or of the payload; "" for none
  std::string boot_protocol;      // x86: "2.15"; "" otherwise
  bool relocatable = false;       // x86, from protocol 2.05
  bool efi_stub = false;          // is an EFI application, too
  std::string reason;             // by what it was recognised
  std::vector<std::string> findings;
};

// Empty where the file starts with no kernel. Of a compressed file the first part is decompressed, within bounds
// (formats/amazon/compression.h). kIo.
Result<std::optional<Kernel>> RecogniseKernel(Storage& file);

}  // namespace platter::amazon
