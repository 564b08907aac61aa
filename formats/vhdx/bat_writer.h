// Writes the block allocation table of a new image front to back, a page at a time: each page once, when it is
// complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/geometry.h"

namespace platter::vhdx {

class BatWriter {
 public:
  // `empty`: the entry of payload blocks that nobody sets; those of sector bitmaps are 0. Neither argument is copied.
  BatWriter(const Geometry& geometry, Storage& storage, std::uint64_t empty);

  // Where the table begins, in host bytes. Before the first Set.
  void set_offset(std::uint64_t offset) noexcept { offset_ = offset; }

  // Requires: indexes ascend.
  Result<> Set(std::uint64_t index, std::uint64_t entry);
  // Fills the rest of the table.
  Result<> Finish();

 private:
  static constexpr std::uint64_t kPageEntries = 8192;

  Result<> AdvanceTo(std::uint64_t index);
  Result<> WritePage();

  const Geometry& geometry_;
  Storage& storage_;
  std::uint64_t empty_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> page_;
  std::uint64_t next_ = 0;  // entries below are settled
  bool blank_ = true;       // the page holds zeros only
};

}  // namespace platter::vhdx
