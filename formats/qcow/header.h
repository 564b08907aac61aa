// The qcow header as a value.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "formats/core/result.h"
#include "formats/qcow/layout.h"

namespace platter::qcow {

struct Header {
  std::uint64_t virtual_size = 0;  // guest bytes
  std::uint32_t cluster_bits = 0;
  std::uint32_t l2_bits = 0;
  std::uint64_t l1_table_offset = 0;      // host bytes
  std::uint64_t backing_file_offset = 0;  // host bytes; 0 = none
  std::uint32_t backing_file_size = 0;    // bytes
  bool encrypted = false;

  std::uint64_t cluster_size() const noexcept { return std::uint64_t{1} << cluster_bits; }
  std::uint64_t l2_bytes() const noexcept { return kEntrySize << l2_bits; }
  std::uint32_t coverage_bits() const noexcept { return cluster_bits + l2_bits; }  // guest bytes of an L2 table
  std::uint64_t l1_entries() const noexcept;
};

// `head`: the first bytes of a file of `file_size` bytes. kNotThisFormat, kCorrupt.
Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size);

}  // namespace platter::qcow
