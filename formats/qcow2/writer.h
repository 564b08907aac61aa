// Builds a new qcow2 image. Host offsets ascend in guest order: the L1 table behind the header, each L2 table in front
// of the first cluster that it points to (with preallocation a group of them, up to 64 KiB), refcount blocks where
// their stretch begins, the refcount table last. The layout depends on the guest disk's content and the options, never
// on how it was cut into batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/qcow2/bitmap_writer.h"
#include "formats/qcow2/cluster_allocator.h"
#include "formats/qcow2/create_options.h"
#include "formats/qcow2/deflate.h"
#include "formats/qcow2/guest_map.h"

namespace platter::qcow2 {

class Writer : public ImageWriter {
 public:
  // `data_file`: null unless the options name one.
  Writer(CreateOptions options, std::shared_ptr<Storage> storage, std::shared_ptr<Storage> data_file, bool compress,
         std::optional<int> compression_level);

  // Makes the file ready: no valid header in it, space reserved as `preallocation` wants.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Encode(Batch& batch) override;
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;
  BitmapTarget* bitmap_target() noexcept override { return options_.header.version < 3 ? nullptr : &bitmaps_; }

 private:
  // A guest cluster of which only parts are spoken for so far (extended L2).
  struct PartialCluster {
    bool open = false;
    std::uint64_t cluster = 0;
    std::uint32_t allocated = 0;  // subcluster bits
    std::uint32_t zero = 0;
    std::vector<Run> data;
  };

  Storage& data_storage() const noexcept { return data_file_ ? *data_file_ : *storage_; }
  bool has_backing() const noexcept { return !options_.header.backing_file.empty(); }

  Result<> StartDataFile();
  Result<> ReserveSpace();
  Result<> PlaceRun(Batch& batch, Run run);
  Result<> PlaceClusters(Batch& batch, Run::Kind kind, std::uint64_t first, std::uint64_t count);
  Result<> PlaceData(Batch& batch, std::uint64_t first, std::uint64_t count);
  Result<> PlaceCompressed(Batch& batch, std::uint64_t cluster);
  Result<> PlaceUnwritten(Batch& batch, std::uint64_t first, std::uint64_t count, std::uint64_t bitmap);
  Result<> PlaceZeroFlags(std::uint64_t first, std::uint64_t count);
  void AddPart(const Run& run);
  Result<> PlacePartial(Batch& batch);
  // Places what lies between the last batch and `guest_offset`.
  Result<> AdvanceTo(Batch& batch, std::uint64_t guest_offset);

  // Host clusters for guest clusters from `first` on: up to `wanted`, in one piece.
  Result<ClusterAllocator::Piece> HostClusters(std::uint64_t first, std::uint64_t wanted);
  void WriteGuestBytes(Batch& batch, std::uint64_t host_offset, std::uint64_t guest_offset, std::uint64_t length);
  Result<> WriteZeros(Batch& batch, std::uint64_t host_offset, std::uint64_t length);
  Result<> WriteHeader();

  CreateOptions options_;
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<Storage> data_file_;
  bool compress_;
  WriterTraits traits_;
  std::uint64_t cluster_size_;
  ClusterAllocator allocator_;
  GuestMap map_;
  BitmapWriter bitmaps_;
  CompressorPool compressors_;
  std::vector<std::byte> zeros_;  // for preallocation "full"; empty otherwise
  PartialCluster partial_;
  std::size_t next_unit_ = 0;   // in the batch being placed
  std::uint64_t position_ = 0;  // guest bytes: everything below is placed
};

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);

}  // namespace platter::qcow2
