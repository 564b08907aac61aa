// Rewrites the guest disk of an existing image in place (convert -n): clusters that only this disk uses are
// overwritten, others are left to whoever shares them and replaced. The header, options, backing file, snapshots and
// bitmaps stay; bitmaps that record changes have every bit set afterwards.
//
// Order of writing, so that an interruption leaves nothing worse than clusters that are counted and not used: counts of
// new clusters, then the table that points at them, then the counts of what it pointed at before. Data may come after
// the table: until then a new cluster reads as zeros, and the file is long enough to hold it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/qcow2/deflate.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/image_refcounts.h"

namespace platter::qcow2 {

class Updater : public ImageWriter {
 public:
  // `data_file`: null unless the image has one.
  Updater(Header header, const UpdateRequest& request, std::shared_ptr<Storage> data_file);

  // kUnsupported for images that must not be written: dirty, corrupt, encrypted.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Encode(Batch& batch) override;
  // kBacking leaves what is there. A batch that ends inside a cluster (the source is smaller than the image) keeps the
  // rest of it.
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  // Host bytes to give back once the table that pointed at them is written.
  struct Freed {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool compressed = false;
  };
  static constexpr std::uint64_t kNoTable = ~std::uint64_t{0};

  Storage& data_storage() const noexcept { return data_file_ ? *data_file_ : *storage_; }

  Result<> CheckWritable() const;
  // What goes before the first change.
  Result<> Begin();
  Result<> DropUnknownAutoclearBits();
  Result<> FillRecordingBitmaps(const Limits& limits);
  Result<> FillBitmap(std::uint64_t table_offset, std::uint64_t entries);

  Result<> PlaceRun(Batch& batch, const Run& run);
  Result<> PlaceTail(Batch& batch, const Run& run);
  Result<> PlaceData(Batch& batch, std::uint64_t first, std::uint64_t count);
  Result<> PlaceCluster(Batch& batch, std::uint64_t cluster, std::uint64_t fresh);
  Result<> PlaceCompressed(Batch& batch, std::uint64_t cluster);
  Result<> PlaceZeros(Batch& batch, std::uint64_t first, std::uint64_t count);
  Result<> WriteZeroCluster(Batch& batch, std::uint64_t cluster);
  void WriteGuestBytes(Batch& batch, std::uint64_t host_offset, std::uint64_t cluster);
  // The host cluster that `entry` points at and that this disk alone uses; 0: none.
  Result<std::uint64_t> OwnCluster(std::uint64_t cluster, std::uint64_t entry);
  Result<std::uint64_t> AllocateBytes(std::uint64_t length);

  // Makes the table of `cluster` current; there may be none in the file yet.
  Result<> SeekTable(std::uint64_t cluster);
  Result<std::uint64_t> L1Entry(std::uint64_t index);
  Result<> SetL1Entry(std::uint64_t index, std::uint64_t entry);
  std::uint64_t Entry(std::uint64_t cluster) const noexcept;
  void SetEntry(std::uint64_t cluster, std::uint64_t entry, std::uint64_t bitmap);
  // The same, and what it pointed at before is to be freed.
  Result<> Replace(std::uint64_t cluster, std::uint64_t entry, std::uint64_t bitmap);
  Result<> WriteTable();
  // Makes the file hold all clusters that were handed out. What stores them writes below that end only.
  Result<> GrowFile();
  Result<> ReleaseFreed();
  Result<> Discard(std::vector<std::uint64_t>& clusters);
  Result<> CheckPlace(std::uint64_t offset, const char* structure, std::uint64_t index) const;

  Header header_;
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<Storage> data_file_;
  OpenContext context_;
  bool compress_;
  WriterTraits traits_;
  std::uint64_t cluster_size_;
  ImageRefcounts refcounts_;
  CompressorPool compressors_;

  std::uint64_t l1_page_ = kNoTable;
  std::vector<std::byte> l1_;
  std::uint64_t l2_index_ = kNoTable;
  std::uint64_t l2_offset_ = 0;  // host bytes; 0: not in the file
  bool begun_ = false;
  bool l2_shared_ = false;  // a snapshot uses it too
  bool l2_dirty_ = false;
  std::vector<std::byte> l2_;
  std::vector<Freed> freed_;

  std::uint64_t open_ = 0;  // host offset behind the last compressed cluster; 0: none to continue
  std::size_t next_unit_ = 0;
  std::vector<std::byte> tail_;  // the cluster in which the source ends
};

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);

}  // namespace platter::qcow2
