// One entry of an L2 table, standard or extended, and what it says (sections "Standard Cluster Descriptor" and
// "Extended L2 Entries").
#pragma once

#include <cstdint>
#include <span>

#include "formats/qcow2/header.h"

namespace platter::qcow2 {

struct L2Entry {
  // kPacked: a compressed cluster.
  enum class Kind : std::uint8_t { kUnallocated, kPlainZero, kAllocated, kPacked };

  std::uint64_t descriptor = 0;
  std::uint64_t bitmap = 0;  // 0 without extended L2

  static L2Entry Decode(const Header& header, std::span<const std::byte> table, std::uint64_t index) noexcept {
    const std::byte* from = table.data() + index * header.l2_entry_size();
    return {LoadBe<std::uint64_t>(from), header.extended_l2() ? LoadBe<std::uint64_t>(from + 8) : 0};
  }
  void Encode(const Header& header, std::span<std::byte> table, std::uint64_t index) const noexcept {
    std::byte* to = table.data() + index * header.l2_entry_size();
    StoreBe(to, descriptor);
    if (header.extended_l2()) StoreBe(to + 8, bitmap);
  }

  bool copied() const noexcept { return (descriptor & kCopied) != 0; }
  std::uint64_t host_offset() const noexcept { return descriptor & kOffsetMask; }
  std::uint32_t allocated_subclusters() const noexcept { return static_cast<std::uint32_t>(bitmap); }
  std::uint32_t zero_subclusters() const noexcept { return static_cast<std::uint32_t>(bitmap >> kSubclusters); }

  Kind kind(const Header& header) const noexcept {
    if ((descriptor & kCompressed) != 0) return Kind::kPacked;
    // Offset 0 is a real place in an external data file; the copied flag then tells.
    if (host_offset() != 0 || (header.has_data_file() && copied())) return Kind::kAllocated;
    return (descriptor & kAllZero) != 0 && !header.extended_l2() ? Kind::kPlainZero : Kind::kUnallocated;
  }
  // Whether the cluster of an allocated entry holds guest data; otherwise it is merely kept (preallocated zeros).
  bool has_data(const Header& header) const noexcept {
    return header.extended_l2() ? allocated_subclusters() != 0 : (descriptor & kAllZero) == 0;
  }
};

}  // namespace platter::qcow2
