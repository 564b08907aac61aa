// The numbers that say how a guest disk is cut into blocks, and where the block allocation table has each of them
// (2.5).
#pragma once

#include <cstdint>

#include "formats/core/checked.h"
#include "formats/vhdx/layout.h"

namespace platter::vhdx {

// Requires of the functions: block_size and logical_sector are legal.
struct Geometry {
  std::uint64_t virtual_size = 0;  // guest bytes
  std::uint64_t block_size = 0;    // bytes, a power of two
  std::uint64_t logical_sector = 512;
  std::uint64_t physical_sector = 512;
  bool fixed = false;  // no block is to be given back
  bool has_parent = false;

  // Payload blocks that one sector bitmap block speaks for.
  std::uint64_t chunk_ratio() const noexcept { return kSectorsPerChunk * logical_sector / block_size; }
  std::uint64_t block_count() const noexcept { return DivideRoundingUp(virtual_size, block_size); }
  std::uint64_t chunk_count() const noexcept { return DivideRoundingUp(block_count(), chunk_ratio()); }
  // Entries of the table: each chunk's payload blocks, then its bitmap block. Only a disk with a parent needs the last
  // bitmap block's.
  std::uint64_t bat_entries() const noexcept {
    if (has_parent) return chunk_count() * (chunk_ratio() + 1);
    return block_count() == 0 ? 0 : block_count() + (block_count() - 1) / chunk_ratio();
  }
  std::uint64_t PayloadEntry(std::uint64_t block) const noexcept { return block + block / chunk_ratio(); }
  std::uint64_t BitmapEntry(std::uint64_t chunk) const noexcept { return (chunk + 1) * chunk_ratio() + chunk; }
};

}  // namespace platter::vhdx
