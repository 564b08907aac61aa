// Packing: how a format stores compressed units of the guest disk. Where source and target agree, a unit moves as it
// is, without being inflated.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace platter {

enum class Codec : std::uint8_t {
  kDeflate,  // bare, RFC 1951, with a window of 4 KiB
  kZlib,     // RFC 1950
  kZstd,
};

struct Packing {
  Codec codec = Codec::kDeflate;
  std::uint64_t unit = 0;  // guest bytes of a cluster or grain, a power of two
  friend bool operator==(const Packing&, const Packing&) = default;
};

// One compressed unit, in PackedUnits::bytes.
struct PackedUnit {
  std::uint64_t guest = 0;  // guest byte where the unit begins
  std::size_t offset = 0;
  std::size_t length = 0;
  // Where the host keeps the end of a stream to a sector only: the stream's place modulo 512, to be kept, so that
  // `length` bytes end with a sector again.
  std::optional<std::uint16_t> phase = std::nullopt;
};

struct PackedUnits {
  std::vector<PackedUnit> units;  // ascending
  std::vector<std::byte> bytes;

  void Clear() noexcept {
    units.clear();
    bytes.clear();
  }
  void Add(std::uint64_t guest, std::span<const std::byte> stream, std::optional<std::uint16_t> phase) {
    units.push_back({guest, bytes.size(), stream.size(), phase});
    bytes.insert(bytes.end(), stream.begin(), stream.end());
  }
  // The unit that begins at `guest`; null when it is not there.
  const PackedUnit* Find(std::uint64_t guest) const noexcept {
    const auto unit = std::ranges::lower_bound(units, guest, {}, &PackedUnit::guest);
    return unit != units.end() && unit->guest == guest ? &*unit : nullptr;
  }
  std::span<const std::byte> StreamOf(const PackedUnit& unit) const {
    return std::span(bytes).subspan(unit.offset, unit.length);
  }
};

}  // namespace platter
