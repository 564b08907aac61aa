// Rewrites the guest disk of an existing image in place (convert -n). Blocks that the disk lacks are added at the end
// of the file; the header, the parent and all ids stay.
//
// The table that points at new blocks is written in Finish, behind the footer's new place. Until then the old table and
// the footer's copy at the start of the file make an image that opens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/vhd/locate.h"

namespace platter::vhd {

// Of dynamic and differencing images. Holds the block allocation table.
class Updater : public ImageWriter {
 public:
  Updater(Headers headers, std::shared_ptr<Storage> storage);

  // Reads the table. kLimit when it is larger than the limits allow.
  Result<> Start(const Limits& limits);

  const WriterTraits& traits() const noexcept override { return traits_; }
  // kBacking leaves what is there.
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  bool differencing() const noexcept { return headers_.footer.differencing(); }
  bool Needs(const Run& run, std::uint64_t block) const noexcept;
  Result<> PlaceBlock(Batch& batch);
  Result<> PlaceBitmap(Batch& batch, std::uint64_t block, bool fresh);
  Result<> WriteTable();

  Headers headers_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  std::uint64_t block_size_;
  std::uint64_t bitmap_bytes_;
  std::vector<std::byte> all_set_;    // a bitmap
  std::vector<std::byte> whole_;      // a bitmap with the bits of the block's sectors alone
  std::vector<std::byte> bitmap_;     // of the block at hand
  std::vector<std::uint32_t> table_;  // sectors
  std::uint64_t old_end_ = 0;         // host bytes: where blocks ended before
  std::uint64_t end_ = 0;             // host bytes: where the next block goes
  std::vector<Run> in_block_;         // runs of the block at hand
};

// Also of fixed images. kUnsupported for a differencing image in qemu's dialect, which does not know its parent.
Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);

}  // namespace platter::vhd
