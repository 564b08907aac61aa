// What an image may cost us. The defaults are generous for legal images; a service that takes uploads lowers them.
#pragma once

#include <cstdint>

namespace platter {

// Whose reading of an image counts where they differ: ours, or qemu's even where it is wrong (docs/qemu-img.md).
enum class Dialect : std::uint8_t { kPlatter, kQemu };

struct Limits {
  std::uint64_t table_cache = std::uint64_t{8} << 20;      // bytes of metadata tables held per open layer
  std::uint64_t metadata_bytes = std::uint64_t{64} << 20;  // bytes of any one list that must be held whole
  std::uint32_t chain_depth = 200;                         // layers of a backing chain
  std::uint32_t folder_entries = 10000;                    // names of a folder in which a file is looked for
};

}  // namespace platter
