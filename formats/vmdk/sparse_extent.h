// Builds one hosted sparse extent, a file of its own: grains in guest order, each grain table written once, whole, the
// header last.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/writer.h"
#include "formats/vmdk/sparse_layout.h"

namespace platter::vmdk {

// For one thread at a time. Offsets and lengths are guest bytes within the extent, multiples of kGrainSize but at the
// extent's end; they come in ascending order.
class SparseExtent {
 public:
  // `capacity`: guest sectors.
  SparseExtent(std::shared_ptr<Storage> storage, std::uint64_t capacity, bool zeroed_grain);

  // Makes the file ready: no valid header in it.
  Result<> Start();
  // Gives the grains a place and adds the writing of `bytes` to the batch. kOutOfRange when the file would grow past
  // what a grain table can address.
  Result<> PlaceData(Batch& batch, std::uint64_t offset, std::span<const std::byte> bytes);
  // Makes the grains read as zero whatever is below: by an entry that says so where that is allowed, by grains of zeros
  // elsewhere.
  Result<> PlaceZeros(Batch& batch, std::uint64_t offset, std::uint64_t length);
  // Writes directories and header; `descriptor` is what stands inside the extent, "" for nothing.
  Result<> Finish(const std::string& descriptor);

 private:
  // Makes the table of that number the open one.
  Result<> EnterTable(std::uint64_t table);
  Result<> WriteTable();
  Result<> WriteDirectory(std::uint64_t directory, std::uint64_t first_table);
  Result<> WriteHeader(const std::string& descriptor);
  // A host offset for the `length` guest bytes from `offset` on, all of one table.
  Result<std::uint64_t> PlaceGrains(std::uint64_t offset, std::uint64_t length);

  std::shared_ptr<Storage> storage_;
  std::uint64_t capacity_;
  bool zeroed_grain_;
  SparseLayout layout_;
  std::uint64_t next_sector_;
  std::uint64_t table_ = 0;  // that is open
  bool table_used_ = false;  // an entry of it is set
  std::array<std::uint32_t, kGrainTableEntries> entries_{};
};

}  // namespace platter::vmdk
