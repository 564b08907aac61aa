// Reading runs of compressed grains: neighbours on the host in one read, then inflated one by one.
#pragma once

#include <cstdint>
#include <span>

#include "formats/core/checked.h"
#include "formats/core/idle_pool.h"
#include "formats/core/inflate.h"
#include "formats/core/packing.h"
#include "formats/core/result.h"
#include "formats/vmdk/grain_map.h"

namespace platter::vmdk {

// Thread-safe. Holds buffers for as many threads as have ever read at once: for each at most three grains or 768 KiB.
class CompressedReader {
 public:
  // `map` outlives the reader.
  explicit CompressedReader(GrainMap& map);
  ~CompressedReader();

  // Requires: the map says that every grain of `range` (guest bytes within the extent) is compressed. kIo, kCorrupt
  // with the grain's marker.
  Result<> Read(ByteRange range, std::span<std::byte> out);
  // As Image::ReadPacked. Requires: whole grains, compressed, with markers.
  Result<bool> ReadPacked(ByteRange range, PackedUnits& out);

 private:
  struct Scratch;

  // Fills scratch.group with grains from `guest` on that lie close together, at most `count`, and reads their bytes.
  Result<> Gather(Scratch& scratch, std::uint64_t guest, std::uint64_t count);
  Result<> LoadGroup(Scratch& scratch) const;
  // The compressed bytes of the grain at `host`, as its marker says; points into scratch.
  Result<std::span<const std::byte>> StreamAt(Scratch& scratch, std::uint64_t guest, std::uint64_t host) const;
  Result<> InflateOne(Scratch& scratch, std::uint64_t guest, std::uint64_t host, std::span<std::byte> out) const;
  // A part of one grain.
  Result<> ReadPart(Scratch& scratch, std::uint64_t guest, std::span<std::byte> out);

  GrainMap& map_;
  const std::uint64_t grain_size_;
  const std::uint64_t file_size_;
  IdlePool<Scratch> idle_;
};

}  // namespace platter::vmdk
