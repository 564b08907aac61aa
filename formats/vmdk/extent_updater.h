// Writes into an existing extent: a flat one, or a hosted sparse one without compression, one grain table at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"
#include "formats/vmdk/extents.h"
#include "formats/vmdk/grain_places.h"

namespace platter::vmdk {

// ImageWriter::ClearStored of the writer that the extent belongs to.
using ClearRange = std::function<Result<>(Storage& file, std::uint64_t offset, std::uint64_t length)>;

// Borrows the extent, which must stay where it is. Not thread-safe.
class ExtentUpdater {
 public:
  // has_parent: what no grain holds comes from there.
  ExtentUpdater(const ExtentFile& extent, bool has_parent, ClearRange clear)
      : extent_(&extent), has_parent_(has_parent), clear_(std::move(clear)) {}

  // Whether the extent can be written, as described and as found: kUnsupported, and as GrainPlaces::Of. Changes
  // nothing.
  static Result<> Check(const ExtentFile& extent, const Limits& limits);

  // Comes before what follows: marks a sparse extent as not shut down.
  Result<> Start(const Limits& limits);
  bool started() const noexcept { return started_; }
  // Adds to batch.writes what brings a part of a run to the host. Requires: the part lies in this extent; parts come in
  // ascending order. kUnsupported for a part of a grain of which the rest lies in the parent.
  Result<> Place(Batch& batch, const Run& part);
  // Nothing more is placed.
  Result<> Leave();
  // Requires: Leave, and everything that was placed is stored.
  Result<> Finish();

 private:
  // The part of a run that lies in one grain.
  Result<> PlaceInGrain(Batch& batch, const Run& part);
  Result<> EnterTable(std::uint64_t index);
  Result<> WriteTable();
  // Gives the entry a grain, which reads as zero.
  Result<> AddGrain(std::uint64_t entry);
  Result<> MarkUnclean(bool unclean);
  std::uint32_t Entry(std::uint64_t entry) const noexcept;
  void SetEntry(std::uint64_t entry, std::uint32_t sector) noexcept;

  const ExtentFile* extent_;
  bool has_parent_;
  ClearRange clear_;
  bool started_ = false;
  std::optional<GrainPlaces> places_ = {};   // of a sparse extent
  std::optional<std::uint64_t> table_ = {};  // the number of the one in entries_
  std::vector<std::byte> entries_ = {};
  bool dirty_ = false;            // entries_ is not in the file
  std::uint32_t last_added_ = 0;  // sector
  std::uint64_t end_ = 0;         // host bytes: of the last grain that was added
};

}  // namespace platter::vmdk
