// The header of a ploop image as a value.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ploop/layout.h"

namespace platter::ploop {

struct Header {
  int version = 2;
  std::uint32_t heads = 0;
  std::uint32_t cylinders = 0;
  std::uint64_t cluster_size = kDefaultClusterSize;  // bytes, whole sectors; need not be a power of two
  std::uint32_t entries = 0;                         // of the BAT
  std::uint64_t virtual_size = 0;                    // guest bytes
  std::uint32_t in_use = 0;
  std::uint64_t data_offset = 0;  // host bytes: of the first cluster
  std::uint32_t flags = 0;
  std::uint64_t extension_offset = 0;  // host bytes; 0: none

  bool open() const noexcept { return in_use == kInUseOpen; }                                 // not closed properly
  std::uint64_t scale() const noexcept { return version == 1 ? kSectorSize : cluster_size; }  // bytes an entry counts
  std::uint64_t HostOffset(std::uint32_t entry) const noexcept { return entry * scale(); }
  std::uint32_t EntryOf(std::uint64_t host_offset) const noexcept {
    return static_cast<std::uint32_t>(host_offset / scale());
  }
  std::uint64_t EntryOffset(std::uint64_t cluster) const noexcept { return HeaderLayout::kSize + cluster * kEntrySize; }
  // Guest bytes of cluster `cluster` that the disk has; the last one may be cut off.
  std::uint64_t GuestBytes(std::uint64_t cluster) const noexcept;
  // Places of clusters in the file, from data_offset on.
  std::uint64_t PlaceOffset(std::uint64_t place) const noexcept { return data_offset + place * cluster_size; }
};

// `head`: the first bytes of a file of `file_size` bytes. kNotThisFormat, kUnsupported, kCorrupt.
Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size);
// The same from the file; kIo.
Result<Header> ReadHeader(Storage& storage);

// The first 64 bytes. Requires: version 2.
std::vector<std::byte> SerializeHeader(const Header& header);

// Whether cluster `cluster` may be at `entry`: aligned, between data_offset and the end of a file of `file_size` bytes.
// kCorrupt with the entry. Requires: entry != 0.
Result<> CheckEntry(const Header& header, std::uint64_t cluster, std::uint32_t entry, std::uint64_t file_size);
// The place of a checked entry.
std::uint32_t PlaceOf(const Header& header, std::uint32_t entry) noexcept;

}  // namespace platter::ploop
