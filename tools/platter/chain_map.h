// The guest disk as runs of equal status, in the terms of `map`.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/core/extent.h"
#include "formats/core/result.h"
#include "formats/open.h"

namespace platter::cli {

struct MapEntry {
  std::uint64_t start = 0;   // guest bytes
  std::uint64_t length = 0;  // guest bytes
  std::size_t depth = 0;     // of the layer that decided; where none did, of the last one that reaches this far
  bool present = false;      // a layer decided
  bool zero = false;         // reads as zero
  bool data = false;         // stored in a file
  std::optional<HostSpot> host = std::nullopt;
};

// Yields the entries in order, joined as far as they are alike. Holds two of them, whatever the disk's size.
class ChainMap {
 public:
  // `chain` must outlive the map. [start, start + length) is cut at the disk's end.
  ChainMap(const OpenedChain& chain, std::uint64_t start, std::uint64_t length);

  // The next entry; empty after the last one. A range that is empty yields one entry of length 0.
  Result<std::optional<MapEntry>> Next();

 private:
  Result<MapEntry> Look(std::uint64_t offset) const;
  std::size_t DeepestLayerAt(std::uint64_t offset) const;

  const OpenedChain& chain_;
  std::uint64_t end_;
  std::uint64_t next_;
  bool empty_;
  std::optional<MapEntry> pending_;
};

}  // namespace platter::cli
