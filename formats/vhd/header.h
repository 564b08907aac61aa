// The footer and the dynamic disk header as values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/vhd/geometry.h"
#include "formats/vhd/layout.h"

namespace platter::vhd {

struct Footer {
  std::uint32_t features = kFeatureReserved;
  std::uint32_t version = kVersion1;
  std::uint64_t data_offset = kNoOffset;  // host bytes, of the dynamic disk header
  std::uint32_t time_stamp = 0;           // seconds since kEpoch
  std::uint32_t creator = 0;
  std::uint32_t creator_version = 0;
  std::uint32_t creator_host = 0;
  std::uint64_t original_size = 0;  // guest bytes
  std::uint64_t current_size = 0;   // guest bytes
  Geometry geometry;
  std::uint32_t disk_type = 0;
  UniqueId id{};
  bool saved_state = false;  // suspended: the disk is not all of the guest's state

  bool differencing() const noexcept { return disk_type == kTypeDifferencing; }
  friend bool operator==(const Footer&, const Footer&) = default;
};

struct ParentLocator {
  std::uint32_t platform = 0;  // 0: not in use
  std::uint32_t data_space = 0;
  std::uint32_t data_length = 0;  // bytes
  std::uint64_t data_offset = 0;  // host bytes
};

struct SparseHeader {
  std::uint64_t table_offset = 0;  // host bytes, of the block allocation table
  std::uint32_t version = kVersion1;
  std::uint32_t table_entries = 0;
  std::uint32_t block_size = 0;  // guest bytes, a power of two
  UniqueId parent_id{};
  std::uint32_t parent_time_stamp = 0;
  std::string parent_name;  // UTF-8
  std::array<ParentLocator, SparseLayout::kParentLocatorCount> locators;

  // Host bytes of a block's sector bitmap, which stands in front of the block.
  std::uint64_t bitmap_bytes() const noexcept;
  std::uint64_t stored_block_bytes() const noexcept { return bitmap_bytes() + block_size; }
};

// Ones' complement of the sum of all bytes but the four at `checksum_offset`.
std::uint32_t Checksum(std::span<const std::byte> structure, std::size_t checksum_offset) noexcept;

// `bytes`: FooterLayout::kSize of them, where a footer of 511 bytes is followed by a zero. `host_offset`: for messages.
// kNotThisFormat without the cookie, kCorrupt when the checksum is wrong. Nothing else is judged.
Result<Footer> ParseFooter(std::span<const std::byte, FooterLayout::kSize> bytes, std::uint64_t host_offset);
std::array<std::byte, FooterLayout::kSize> SerializeFooter(const Footer& footer);

// kCorrupt without the cookie, for a block size that is no power of two of at least a sector, and, unless in qemu's
// dialect, for a wrong checksum; kUnsupported for another version than 1.
Result<SparseHeader> ParseSparseHeader(std::span<const std::byte, SparseLayout::kSize> bytes, std::uint64_t host_offset,
                                       Dialect dialect);
std::array<std::byte, SparseLayout::kSize> SerializeSparseHeader(const SparseHeader& header);

// "win ", "tap": a four-character code for people, without what cannot be printed.
std::string FormatCode(std::uint32_t code);

}  // namespace platter::vhd
