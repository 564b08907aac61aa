// The persistent bitmaps of a new image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/storage.h"
#include "formats/core/writer.h"
#include "formats/qcow2/cluster_allocator.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

// Copies bits as they come: in memory are one cluster of them and one bitmap's table. One thread at a time, the one
// that places batches.
class BitmapWriter : public BitmapTarget {
 public:
  // All must outlive the writer.
  BitmapWriter(const Header& header, Storage& storage, ClusterAllocator& allocator, bool dense);

  // Besides BitmapTarget's: kInvalid for a name or granularity that the format cannot hold, kLimit, kIo, kCorrupt.
  Result<> CopyBitmap(Bitmaps& source, std::size_t index) override;
  // Writes the directory; where it is, or nothing when there are no bitmaps.
  Result<std::optional<BitmapsPointer>> Finish();

 private:
  Result<> CheckBitmap(const BitmapInfo& info) const;
  // Stores the bits; returns the bitmap table.
  Result<std::vector<std::byte>> CopyBits(Bitmaps& source, std::size_t index, std::uint64_t bit_count);
  void AddEntry(const BitmapInfo& info, std::uint64_t table_offset, std::uint64_t table_entries);

  std::uint64_t cluster_size_;
  std::uint64_t virtual_size_;
  Storage& storage_;
  ClusterAllocator& allocator_;
  bool dense_;
  std::vector<std::string> names_;
  std::vector<std::byte> directory_;
};

}  // namespace platter::qcow2
