// The reference counts of an existing image: looked up, changed, and searched for free clusters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// One thread at a time. Holds the refcount table and a bounded number of refcount blocks. Changed blocks reach the file
// with Flush, or earlier when their room is needed. Errors: kIo, kCorrupt for tables that break the format, kLimit when
// the image grows past what the format can count.
class ImageRefcounts {
 public:
  // `header` and `storage` must outlive the object; the header's refcount table fields follow the table when it grows.
  ImageRefcounts(Header& header, Storage& storage);

  Result<> Load();

  Result<std::uint64_t> Get(std::uint64_t cluster);
  // One reference more; false when the count is at its maximum.
  Result<bool> Add(std::uint64_t cluster);
  // One reference less; returns what is left. kCorrupt when there was none.
  Result<std::uint64_t> Release(std::uint64_t cluster);

  struct Piece {
    std::uint64_t offset = 0;  // host bytes
    std::uint64_t count = 0;   // clusters
  };
  // 1 to `wanted` free clusters in one piece; each has one reference now.
  Result<Piece> AllocateUpTo(std::uint64_t wanted);

  Result<> Flush();

  // Host bytes: the end of the file, with everything that was handed out.
  std::uint64_t end() const noexcept { return end_cluster_ << header_.cluster_bits; }

 private:
  struct Block {
    std::uint64_t index = 0;
    std::uint64_t last_use = 0;
    bool dirty = false;
    std::vector<std::byte> counts;
  };

  // The block with that index in memory; null where the image has none, that is, all its counts are 0.
  Result<Block*> Find(std::uint64_t index);
  Result<Block*> FindOrMake(std::uint64_t index);
  // A place in memory for one more block.
  Result<Block*> Room();
  Result<> Write(Block& block);
  Result<> WriteTableEntry(std::uint64_t index);
  // Makes room in the refcount table for block `index`, the first one that it cannot hold.
  Result<> GrowTable(std::uint64_t index);
  Result<> WriteGrownTable(std::uint64_t offset, std::uint64_t clusters);
  // Goes back to freed clusters before the file grows, when that pays.
  void Rewind();

  Header& header_;
  Storage& storage_;
  std::uint64_t block_entries_;
  std::vector<std::uint64_t> table_;  // offsets of the blocks, 0: none
  std::vector<Block> blocks_;
  std::size_t latest_ = 0;  // in blocks_: the one that was asked for last
  std::uint64_t uses_ = 0;
  std::uint64_t cursor_ = 0;       // cluster: the search for free ones goes on here
  std::uint64_t end_cluster_ = 0;  // behind all that is in use
  std::uint64_t lowest_freed_ = 0;
  std::uint64_t freed_ = 0;  // clusters since the last Rewind
};

}  // namespace platter::qcow2
