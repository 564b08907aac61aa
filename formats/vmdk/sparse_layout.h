// Where the metadata of a hosted sparse extent is: header, descriptor, redundant grain directory with its tables, grain
// directory with its tables, then the grains (section "Hosted Sparse Extent Metadata"). All tables have their place
// from the beginning.
#pragma once

#include <cstdint>

#include "formats/core/checked.h"
#include "formats/vmdk/header.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {

inline constexpr std::uint64_t kGrainSize = kDefaultGrainSectors * kSectorSize;  // guest bytes
inline constexpr std::uint64_t kTableBytes = kGrainTableEntries * kEntrySize;    // host bytes
inline constexpr std::uint64_t kTableSpan = kGrainTableEntries * kGrainSize;     // guest bytes that a table covers
inline constexpr std::uint64_t kTableSectors = kTableBytes / kSectorSize;
inline constexpr std::uint64_t kDescriptorSector = 1;
inline constexpr std::uint64_t kDescriptorSectors = 20;
// Grains start at multiples of their own size.
inline constexpr std::uint64_t kFirstDirectorySector = kDescriptorSector + kDescriptorSectors;

constexpr std::uint64_t DivideUp(std::uint64_t value, std::uint64_t unit) noexcept { return (value + unit - 1) / unit; }

// All sectors, but for the counts.
struct SparseLayout {
  std::uint64_t tables = 0;  // count
  std::uint64_t directory_sectors = 0;
  std::uint64_t redundant_directory = 0;
  std::uint64_t redundant_tables = 0;  // of the first one
  std::uint64_t directory = 0;
  std::uint64_t first_table = 0;
  std::uint64_t overhead = 0;  // where the grains start

  // Requires: `capacity` (guest sectors) that a directory can cover.
  static SparseLayout For(std::uint64_t capacity) noexcept {
    SparseLayout layout;
    layout.tables = DivideUp(capacity, kTableSpan / kSectorSize);
    layout.directory_sectors = DivideUp(layout.tables * kEntrySize, kSectorSize);
    const std::uint64_t tables_sectors = layout.tables * kTableSectors;
    layout.redundant_directory = kFirstDirectorySector;
    layout.redundant_tables = layout.redundant_directory + layout.directory_sectors;
    layout.directory = layout.redundant_tables + tables_sectors;
    layout.first_table = layout.directory + layout.directory_sectors;
    layout.overhead = AlignUp(layout.first_table + tables_sectors, kDefaultGrainSectors);
    return layout;
  }
};

}  // namespace platter::vmdk
