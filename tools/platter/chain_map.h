// The guest disk as runs of equal status, in the terms of `map`.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/core/extent.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
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

// The run of a file that was asked for last: scattered clusters are mostly in the same one, and asking the host for
// each takes longer than all the rest.
class LastRun {
 public:
  // As Storage::DataMap.
  Result<DataRun> At(Storage& file, std::uint64_t offset);

 private:
  const Storage* file_ = nullptr;
  std::uint64_t begin_ = 0;  // host bytes
  std::uint64_t end_ = 0;
  bool data_ = false;
};

// Yields the entries in order, joined as far as they are alike. Holds two of them, whatever the disk's size.
class ChainMap {
 public:
  // `chain` must outlive the map. [start, start + length) is cut at the disk's end.
  ChainMap(const OpenedChain& chain, std::uint64_t start, std::uint64_t length);

  // The next entry; empty after the last one. A range that is empty yields one entry of length 0.
  Result<std::optional<MapEntry>> Next();

 private:
  Result<MapEntry> Look(std::uint64_t offset);
  // Clusters that were preallocated may never have been written: the host knows.
  Result<> LookThroughHoles(const Image& image, MapEntry& entry);
  std::size_t DeepestLayerAt(std::uint64_t offset) const;

  const OpenedChain& chain_;
  std::uint64_t end_;
  std::uint64_t next_;
  bool empty_;
  std::optional<MapEntry> pending_;
  LastRun last_run_;
};

}  // namespace platter::cli
