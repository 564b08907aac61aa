// Reading runs of compressed clusters: neighbours on the host in one read, then inflated one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "formats/core/checked.h"
#include "formats/core/idle_pool.h"
#include "formats/core/packing.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/cluster_map.h"
#include "formats/qcow2/inflate.h"

namespace platter::qcow2 {

// Thread-safe. Holds buffers for as many threads as have ever read at once: for each at most two clusters or 768 KiB.
class CompressedReader {
 public:
  CompressedReader(std::shared_ptr<Storage> storage, std::uint64_t cluster_size, Compression compression);
  ~CompressedReader();

  // Requires: `map` says that every cluster of `range` is compressed. kIo, kCorrupt with the L2 entry.
  Result<> Read(ClusterMap& map, ByteRange range, std::span<std::byte> out);
  // As Image::ReadPacked. Requires: whole clusters, compressed.
  Result<bool> ReadPacked(ClusterMap& map, ByteRange range, PackedUnits& out);

 private:
  struct Scratch;

  // Fills scratch.group with clusters from `guest` on that lie close together, at most `count`, and reads their bytes.
  Result<> Gather(ClusterMap& map, Scratch& scratch, std::uint64_t guest, std::uint64_t count) const;
  Result<> LoadGroup(Scratch& scratch, std::uint64_t end) const;
  Result<> InflateGroup(Scratch& scratch, std::span<std::byte> out) const;
  // Adds the group's streams; false when one of them is in doubt.
  bool AddGroup(const Scratch& scratch, std::uint64_t guest, PackedUnits& out) const;
  // A part of one cluster.
  Result<> ReadPart(ClusterMap& map, Scratch& scratch, std::uint64_t guest, std::span<std::byte> out) const;
  Result<> InflateOne(Scratch& scratch, const CompressedCluster& cluster, std::span<std::byte> out) const;

  const std::shared_ptr<Storage> storage_;
  const std::uint64_t cluster_size_;
  const Compression compression_;
  IdlePool<Scratch> idle_;
};

}  // namespace platter::qcow2
