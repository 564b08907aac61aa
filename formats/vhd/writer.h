// Builds new VHD images. The layout is qemu's: the footer's copy, the dynamic disk header, the parent's locators, the
// block allocation table, then blocks in guest order, each behind its sector bitmap, and the footer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/vhd/create_options.h"

namespace platter::vhd {

// The disk as it is, and a footer behind it. Also rewrites the disk of an existing image.
class FixedWriter : public ImageWriter {
 public:
  // `footer`: of a new image; null for one that is there, whose footer stays.
  FixedWriter(std::shared_ptr<Storage> storage, std::uint64_t virtual_size, const Footer* footer);

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  std::shared_ptr<Storage> storage_;
  std::uint64_t virtual_size_;
  std::vector<std::byte> footer_;  // empty: of an existing image
  std::uint64_t end_ = 0;          // guest bytes: of the last run
  WriterTraits traits_;
};

// Holds the block allocation table (four bytes for 2 MiB of disk), nothing else that grows.
class SparseWriter : public ImageWriter {
 public:
  SparseWriter(CreateOptions options, std::shared_ptr<Storage> storage);

  // Makes sure that what the file held before does not pass for an image.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  bool Stores(const Run& run) const noexcept;
  void PlaceBlock(Batch& batch);
  std::span<const std::byte> BitmapFor(Batch& batch, std::uint64_t block) const;
  Result<> WriteTable();

  CreateOptions options_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  std::uint64_t block_size_;
  std::uint64_t bitmap_bytes_;
  std::vector<std::byte> all_set_;    // a bitmap
  std::vector<std::uint32_t> table_;  // sectors
  std::uint64_t end_;                 // host bytes: where the next block goes
  std::vector<Run> in_block_;         // runs of the block at hand that it stores
};

// Sets the bits of the sectors that `length` bytes from byte `in_block` of the block touch.
void SetBits(std::span<std::byte> bitmap, std::uint64_t in_block, std::uint64_t length) noexcept;

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);

}  // namespace platter::vhd
