// Rewrites the guest disk of an existing image in place (convert -n): blocks that are there are overwritten, others
// get a place at the file's end. Metadata, GUIDs of the disk and the parent stay; the header's write GUIDs change.
//
// The log stays empty. What it is for is had another way: an entry of the block allocation table is one aligned word,
// and it is written only after the file has grown to hold its block and all that was written before is on the disk, so
// that after an interruption each entry is either the old or the new one, and both are valid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {

class Updater : public ImageWriter {
 public:
  // Requires: the structure's log is replayed in place.
  explicit Updater(Structure structure);

  const WriterTraits& traits() const noexcept override { return traits_; }
  // kBacking leaves what is there.
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  // Gives the file new write GUIDs: before its first change, since children of the disk go by them.
  Result<> Begin();
  Result<> PlaceInBlock(Batch& batch, const Run& part);
  // Zeros for what the table says nothing about, or has a parent say.
  Result<> PlaceZeros(Batch& batch, const Run& part, BatEntry entry);
  Result<BatEntry> Allocate(std::uint64_t block, BatEntry old, bool whole);
  Result<> WriteTo(Batch& batch, const Run& part, BatEntry entry);
  Result<> MarkSectors(const Run& part);

  Error BadEntry(const char* what, std::uint64_t index, BatEntry entry) const;
  Result<BatEntry> Entry(std::uint64_t index);
  Result<> SetEntry(std::uint64_t index, std::uint64_t word);
  Result<> LoadPage(std::uint64_t index);
  Result<> LoadBitmap(std::uint64_t chunk);
  Result<> FlushTables();

  Structure structure_;
  const Geometry& geometry_;
  Storage& storage_;
  WriterTraits traits_;
  bool begun_ = false;
  std::uint64_t first_own_;  // host offset: blocks from here on are new
  std::uint64_t next_host_;  // where the next block goes

  std::uint64_t page_index_ = kNone;  // of the table's pages
  std::vector<std::byte> page_;
  bool page_dirty_ = false;
  std::uint64_t chunk_ = kNone;  // whose sector bitmap is in memory
  std::uint64_t bitmap_host_ = 0;
  std::vector<std::byte> bitmap_;
  bool bitmap_dirty_ = false;
};

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);

}  // namespace platter::vhdx
