// Finds a VHD's footer and dynamic disk header in a file, and decides how large the disk is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhd/header.h"

namespace platter::vhd {

// One of the two places of a footer.
struct FooterCopy {
  enum class State : std::uint8_t { kAbsent, kDamaged, kSound };
  State state = State::kAbsent;
  std::uint64_t offset = 0;  // host bytes
  Footer footer;             // of kSound
  std::string fault;         // of kDamaged: what is wrong with it
};

struct FooterCopies {
  FooterCopy front;  // in the first sector
  FooterCopy back;   // in the last one
};

// kNotThisFormat when the file is too small for a footer and does not start as one does, kIo.
Result<FooterCopies> ReadFooters(Storage& storage);

// Whose word counts for the size of the disk.
enum class SizeRule : std::uint8_t { kByCreator, kGeometry, kCurrentSize };

inline constexpr std::string_view kSizeRuleOption = "force_size_calc";

// By the open option force_size_calc. kInvalid.
Result<SizeRule> ParseSizeRule(const OptionValues& options);

// Guest bytes, whole sectors: current_size where the geometry is the largest that there is, and by creator. qemu takes
// the geometry but for those who are known to mean current_size. In our own dialect Virtual PC, Virtual Server and qemu
// mean the geometry, and one without sectors, or beyond `room` host bytes that are there for the disk, does not count.
std::uint64_t VirtualSize(const Footer& footer, SizeRule rule, Dialect dialect,
                          std::optional<std::uint64_t> room = std::nullopt) noexcept;

// The larger of the geometry's size and the size field, where programs go by the one or the other (qemu and Virtual PC
// by the geometry, VirtualBox, Hyper-V and Azure by the field) and more than rounding lies between: no writer rounds by
// more than a cylinder.
std::optional<std::uint64_t> DisputedSize(const Footer& footer) noexcept;

struct Headers {
  FooterCopies copies;
  Footer footer;  // the one that counts
  std::optional<SparseHeader> sparse;
  std::uint64_t virtual_size = 0;  // guest bytes
};

// What contradicts the format in headers that can be read all the same, one sentence each.
std::vector<std::string> FaultsOf(const Headers& headers);

// kNotThisFormat without a footer at either end; kCorrupt, kUnsupported, kInvalid, kIo. In qemu's dialect a footer at
// the front is the one that counts, and what qemu does not look at is not looked at.
Result<Headers> LoadHeaders(Storage& storage, const OptionValues& options, Dialect dialect);

}  // namespace platter::vhd
