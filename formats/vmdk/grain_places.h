// Which places of a sparse extent's file are taken: what an update has to know before it overwrites grains and adds
// others. A place is as long as a grain, and all places lie at distances of whole grains.
#pragma once

#include <cstdint>
#include <string>

#include "formats/core/limits.h"
#include "formats/core/number_set.h"
#include "formats/core/result.h"
#include "formats/vmdk/extents.h"

namespace platter::vmdk {

// Borrows the extent, which must stay where it is.
class GrainPlaces {
 public:
  // Reads all tables of a hosted extent that is not compressed. kCorrupt for tables and grains outside the file or over
  // each other, and for a table without a copy; kUnsupported for tables that were never made, and for grains at other
  // distances; kLimit, kIo.
  static Result<GrainPlaces> Of(const ExtentFile& extent, const Limits& limits);

  // The host offset (bytes) of a place that nobody uses; from now on it is used. kOutOfRange past what a grain table
  // can say.
  Result<std::uint64_t> Take();

 private:
  GrainPlaces(const ExtentFile& extent, const Limits& limits);
  Result<> TakeMetadata();
  Result<> TakeTables();
  Result<> TakeGrains();
  // `at`: the host offset of the entry that says so; `length`: the bytes that the guest has of the grain.
  Result<> TakeGrain(std::uint32_t sector, std::uint64_t at, std::uint64_t length);
  // The extent's sectors of a structure, which must be its own.
  Result<> Claim(std::uint64_t offset, std::uint64_t length, const std::string& what);
  // No grain may be added among what is not a grain. Requires: residue_ is final.
  Result<> BlockMetadata();
  void Block(std::uint64_t offset, std::uint64_t length);
  Result<> CheckMemory() const;
  // The number of the place that holds the host sector.
  std::uint64_t NumberOf(std::uint64_t sector) const noexcept;
  std::uint64_t directory_bytes() const noexcept;
  std::uint64_t shift() const noexcept { return (grain_sectors_ - residue_) % grain_sectors_; }

  const ExtentFile* extent_;
  const GrainTables* tables_;
  std::uint64_t memory_limit_;  // bytes
  std::uint64_t grain_sectors_;
  std::uint64_t residue_ = 0;      // of every grain's sector, divided by grain_sectors_
  bool any_grain_ = false;         // residue_ is known
  NumberSet metadata_;             // sectors
  NumberSet places_;               // numbers
  std::uint64_t next_number_ = 0;  // nothing below is free
};

}  // namespace platter::vmdk
