// Host clusters of a new image: handed out in ascending order, and their references counted as they go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// Writes a whole table of a new image at `host_offset`. In a file (which is new, so that its holes read as zero) the
// zeros at the table's end are left out unless `dense`; a device gets them all.
Result<> WriteTable(Storage& storage, std::uint64_t host_offset, std::span<const std::byte> table, bool dense);

// One thread at a time. Cluster 0 is the header's and counted from the start. A refcount block is reserved where the
// stretch of the file that it counts begins and written when that stretch is full; in memory are one block and the
// refcount table. All errors of the handing out: kIo from the host, kLimit when the file grows past what the format can
// count.
class ClusterAllocator {
 public:
  // `storage` must outlive the allocator.
  ClusterAllocator(const Header& header, Storage& storage, bool dense);

  struct Piece {
    std::uint64_t offset = 0;  // host bytes
    std::uint64_t count = 0;   // clusters
  };
  // 1 to `wanted` clusters in one piece, each with one reference.
  Result<Piece> AllocateUpTo(std::uint64_t wanted);
  // `count` clusters in one piece; returns their host offset.
  Result<std::uint64_t> Allocate(std::uint64_t count);
  // Room for a compressed cluster of `length` bytes, 1 to the cluster size; returns its host offset. Follows the last
  // one byte for byte where it can; every cluster that it touches gains a reference. `phase`: what the offset is modulo
  // 512, any where it is empty. Requires: phase and length together are not more than a cluster.
  Result<std::uint64_t> AllocateBytes(std::uint64_t length, std::optional<std::uint16_t> phase = std::nullopt);

  // Writes what is still held and the refcount table. Nothing can be handed out afterwards.
  Result<Piece> Finish();

  // Host bytes: the end of the last cluster handed out.
  std::uint64_t end() const noexcept { return next_ << cluster_bits_; }

 private:
  std::uint64_t BlockEnd() const noexcept { return offsets_.size() * block_entries_; }
  // Starts the next refcount block, at cluster `place`; the one before it is complete.
  Result<> StartBlock(std::uint64_t place);
  Result<> StartBlockAtBoundary();
  Result<> WriteBlock();
  // Counts clusters from next_ to `end`, which the current block covers.
  void CountUpTo(std::uint64_t end);
  bool AddReference(std::uint64_t cluster);
  // Blocks there will be once a table of `clusters` clusters is handed out.
  std::uint64_t BlocksWithTable(std::uint64_t clusters) const noexcept;

  Storage& storage_;
  bool dense_;
  std::uint32_t cluster_bits_;
  std::uint32_t refcount_order_;
  std::uint32_t compressed_offset_bits_;
  std::uint64_t block_entries_;
  std::uint64_t next_ = 0;              // cluster
  std::uint64_t open_ = 0;              // host offset behind the last compressed cluster; 0: none to continue
  std::vector<std::uint64_t> offsets_;  // of the refcount blocks, the last one is in block_
  std::vector<std::byte> block_;
};

}  // namespace platter::qcow2
