// L2Runs: what the entries of an L2 table say of many clusters at a time. Most tables are runs: clusters that were
// written one after the other, and clusters that were never written.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "formats/qcow2/header.h"
#include "formats/qcow2/l2_entry.h"

namespace platter::qcow2 {

class L2Runs {
 public:
  // Borrows both; `table` is a whole table.
  L2Runs(const Header& header, std::span<const std::byte> table) : header_(header), table_(table) {}

  // The first entry from `index` on that is not all zeros, perhaps some earlier one; the number of entries at the end.
  std::uint64_t SkipUnused(std::uint64_t index) const noexcept {
    const std::uint64_t size = header_.l2_entry_size();
    std::uint64_t at = index * size;
    for (; at + kStep <= table_.size() && IsZero(at); at += kStep) {
    }
    return at / size;
  }

  // How many entries from `index` on, at most `most`, say what the first of them says, each of the cluster that follows
  // on the host. 0 with extended L2, where every entry has more to say.
  std::uint64_t Contiguous(std::uint64_t index, std::uint64_t most) const noexcept {
    if (header_.extended_l2()) return 0;
    const std::uint64_t cluster = header_.cluster_size();
    const std::uint64_t first = Descriptor(index);
    // Past the largest offset that an entry can hold, the addition below would reach its flags.
    most = std::min({most, header_.l2_entries() - index, (kOffsetEnd - (first & kOffsetMask)) / cluster});
    std::uint64_t run = 0;
    for (; run + kAtOnce <= most; run += kAtOnce) {
      std::uint64_t differing = 0;
      for (std::uint64_t i = run; i < run + kAtOnce; ++i) differing |= Descriptor(index + i) ^ (first + i * cluster);
      if (differing != 0) break;
    }
    while (run < most && Descriptor(index + run) == first + run * cluster) ++run;
    return run;
  }

  // Whether a standard entry has one of the bits that none has. Such a "table" may be a guest's data that an L1 entry
  // names by mistake, and is not to be repaired: each entry corrected would be data changed.
  bool HasAnyOf(std::uint64_t reserved) const noexcept {
    for (std::uint64_t i = SkipUnused(0); i < header_.l2_entries(); i = SkipUnused(i + 1)) {
      const L2Entry entry = L2Entry::Decode(header_, table_, i);
      if ((entry.descriptor & kCompressed) == 0 && (entry.descriptor & reserved) != 0) return true;
    }
    return false;
  }

 private:
  static constexpr std::uint64_t kStep = 64;  // bytes
  static constexpr std::uint64_t kAtOnce = 8;
  static constexpr std::uint64_t kOffsetEnd = std::uint64_t{1} << 56;
  static_assert((kOffsetMask & kOffsetEnd) == 0 && (kOffsetMask & kOffsetEnd >> 1) != 0);

  std::uint64_t Descriptor(std::uint64_t index) const noexcept {
    return LoadBe<std::uint64_t>(table_.data() + index * sizeof(std::uint64_t));
  }

  bool IsZero(std::uint64_t at) const noexcept {
    std::uint64_t words[kStep / sizeof(std::uint64_t)];
    std::memcpy(words, table_.data() + at, sizeof(words));
    std::uint64_t bits = 0;
    for (const std::uint64_t word : words) bits |= word;
    return bits == 0;
  }

  const Header& header_;
  std::span<const std::byte> table_;
};

}  // namespace platter::qcow2
