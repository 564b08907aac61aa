#include "formats/qcow2/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/qcow2/bitmaps.h"
#include "formats/qcow2/cluster_map.h"
#include "formats/qcow2/compressed_reader.h"
#include "formats/qcow2/details.h"
#include "formats/qcow2/preallocation.h"
#include "formats/qcow2/qcow2.h"
#include "formats/qcow2/snapshots.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kFirstRead = 4096;

// What the active disk and the snapshots of one image file have in common.
class ImageFile {
 public:
  ImageFile(std::shared_ptr<Storage> storage, std::shared_ptr<Storage> data, Header header, const Limits& limits)
      : storage_(std::move(storage)),
        data_(std::move(data)),
        header_(std::move(header)),
        file_size_(storage_->size()),
        tables_(std::make_shared<TableCache>(storage_, header_.cluster_size(), limits.table_cache)),
        compressed_(storage_, header_.cluster_size(), header_.compression) {}

  Storage& storage() noexcept { return *storage_; }
  // Null when the data file was not opened.
  const std::shared_ptr<Storage>& data() const noexcept { return data_; }
  const Header& header() const noexcept { return header_; }
  std::uint64_t file_size() const noexcept { return file_size_; }
  const std::shared_ptr<TableCache>& tables() const noexcept { return tables_; }
  CompressedReader& compressed() noexcept { return compressed_; }

  std::vector<std::shared_ptr<Storage>> files() const {
    if (data_ == nullptr || data_ == storage_) return {storage_};
    return {storage_, data_};
  }

  // LooksPreallocated, asked once.
  Result<bool> Preallocated() {
    Preallocation known = preallocation_.load(std::memory_order_relaxed);
    if (known == Preallocation::kUnknown) {
      const bool looks = PLATTER_TRY(LooksPreallocated(*storage_, header_));
      known = looks ? Preallocation::kYes : Preallocation::kNo;
      preallocation_.store(known, std::memory_order_relaxed);
    }
    return known == Preallocation::kYes;
  }

 private:
  enum class Preallocation : std::uint8_t { kUnknown, kNo, kYes };

  std::shared_ptr<Storage> storage_;
  std::shared_ptr<Storage> data_;
  Header header_;
  std::uint64_t file_size_;
  std::shared_ptr<TableCache> tables_;
  CompressedReader compressed_;
  std::atomic<Preallocation> preallocation_ = Preallocation::kUnknown;
};

// One disk of the file: the active one or a snapshot's.
class Disk : public Image {
 public:
  Disk(std::shared_ptr<ImageFile> file, ImageInfo info, ClusterMap::Place place)
      : file_(std::move(file)),
        info_(std::move(info)),
        map_(file_->header(), place, file_->tables(), file_->file_size()) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return file_->files(); }
  std::optional<Packing> packing() const noexcept override {
    return info_.encrypted ? std::nullopt : PackingOf(file_->header());
  }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    PLATTER_CHECK(RequireData());
    const ClusterRun run = PLATTER_TRY(map_.At(range));
    LayerExtent extent{.length = run.length};
    const bool placed = !info_.encrypted && run.kind != ClusterKind::kCompressedData;
    switch (run.kind) {
      case ClusterKind::kUnallocated:
      case ClusterKind::kUnallocatedKept:
        extent.status = BlockStatus::kUnallocated;
        break;
      case ClusterKind::kZero:
      case ClusterKind::kZeroKept:
        extent.status = BlockStatus::kZero;
        break;
      case ClusterKind::kData:
        extent.maybe_hole = placed && PLATTER_TRY(file_->Preallocated());
        break;
      case ClusterKind::kCompressedData:
        extent.compressed = true;
        break;
    }
    if (placed && HasHost(run.kind)) extent.host = HostSpot{file_->data().get(), run.host};
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    PLATTER_CHECK(RequireData());
    if (info_.encrypted) {
      return Error(ErrorKind::kUnsupported, "image is encrypted: its content cannot be read")
          .In(file_->storage().name());
    }
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const auto rest = PLATTER_TRY(ByteRange::Within(at, out.size(), range.end()));
      const ClusterRun run = PLATTER_TRY(map_.At(rest));
      PLATTER_CHECK(ReadRun(at, run, out.first(run.length)));
      out = out.subspan(run.length);
    }
    return Done{};
  }

  Result<bool> DoReadPacked(ByteRange range, PackedUnits& out) override {
    return file_->compressed().ReadPacked(map_, range, out);
  }

 private:
  Result<> RequireData() const {
    if (file_->data() != nullptr) return Done{};
    return Error(ErrorKind::kUnsupported, "image was opened without its data file").In(file_->storage().name());
  }

  Result<> ReadRun(std::uint64_t guest, const ClusterRun& run, std::span<std::byte> out) {
    switch (run.kind) {
      case ClusterKind::kData:
        // The last cluster of the file may be cut short, and a data file may be shorter than the disk.
        return file_->data()->ReadPadded(run.host, out);
      case ClusterKind::kCompressedData: {
        const auto range = PLATTER_TRY(ByteRange::Within(guest, out.size(), info_.virtual_size));
        return file_->compressed().Read(map_, range, out);
      }
      default:
        std::ranges::fill(out, std::byte{0});
        return Done{};
    }
  }

  std::shared_ptr<ImageFile> file_;
  ImageInfo info_;
  ClusterMap map_;
};

class SnapshotList : public Snapshots {
 public:
  SnapshotList(std::shared_ptr<ImageFile> file, ImageInfo info, std::vector<SnapshotRecord> records)
      : file_(std::move(file)), info_(std::move(info)), records_(std::move(records)) {
    for (const SnapshotRecord& record : records_) infos_.push_back(record.info);
  }

  const std::vector<SnapshotInfo>& snapshots() const noexcept override { return infos_; }

  Result<std::shared_ptr<Image>> OpenSnapshot(std::size_t index) override {
    if (index >= records_.size()) return Error(ErrorKind::kOutOfRange, "no such snapshot").Found(index);
    const SnapshotRecord& record = records_[index];
    auto checked = CheckSnapshotL1(record, file_->header(), file_->file_size());
    if (!checked.ok()) return std::move(checked).error().In(file_->storage().name());
    ImageInfo info = info_;
    info.virtual_size = record.info.virtual_size;
    const ClusterMap::Place place{record.l1_table_offset, record.l1_size};
    return std::shared_ptr<Image>(std::make_shared<Disk>(file_, std::move(info), place));
  }

 private:
  std::shared_ptr<ImageFile> file_;
  ImageInfo info_;  // the active disk's
  std::vector<SnapshotRecord> records_;
  std::vector<SnapshotInfo> infos_;
};

class BitmapList : public Bitmaps {
 public:
  BitmapList(std::shared_ptr<ImageFile> file, std::vector<BitmapRecord> records)
      : file_(std::move(file)), records_(std::move(records)) {
    for (const BitmapRecord& record : records_) infos_.push_back(record.info);
  }

  const std::vector<BitmapInfo>& bitmaps() const noexcept override { return infos_; }

  Result<> ReadBitmap(std::size_t index, std::uint64_t first_bit, std::span<std::byte> out) override {
    if (index >= records_.size()) return Error(ErrorKind::kOutOfRange, "no such bitmap").Found(index);
    return ReadBitmapBits(file_->storage(), file_->header(), records_[index], first_bit, out);
  }

 private:
  std::shared_ptr<ImageFile> file_;
  std::vector<BitmapRecord> records_;
  std::vector<BitmapInfo> infos_;
};

class ActiveDisk : public Disk {
 public:
  ActiveDisk(const std::shared_ptr<ImageFile>& file, const ImageInfo& info, std::vector<SnapshotRecord> snapshots,
             std::vector<BitmapRecord> bitmaps)
      : Disk(file, info, {file->header().l1_table_offset, file->header().l1_size}),
        version_(file->header().version),
        snapshots_(file, info, std::move(snapshots)),
        bitmaps_(file, std::move(bitmaps)) {}

  Snapshots* snapshots() noexcept override { return &snapshots_; }
  // Version 3 has bitmaps, if only none yet.
  Bitmaps* bitmaps() noexcept override { return version_ < 3 ? nullptr : &bitmaps_; }

 private:
  std::uint32_t version_;
  SnapshotList snapshots_;
  BitmapList bitmaps_;
};

ImageInfo DescribeImage(const Header& header, Detail specific) {
  ImageInfo info;
  info.virtual_size = header.virtual_size;
  info.allocation_unit = header.cluster_size();
  if (!header.backing_file.empty()) {
    info.backing = Reference{Reference::Role::kBacking, header.backing_file, header.backing_format};
  }
  info.encrypted = header.crypt_method != CryptMethod::kNone;
  info.dirty = header.has(kIncompatDirty);
  info.tracks_dirty = true;
  info.specific = std::move(specific);
  info.further = DescribeFurther(header);
  return info;
}

// The file that holds the data clusters: the image itself, the external data file, or none when nobody will read.
Result<std::shared_ptr<Storage>> OpenData(const std::shared_ptr<Storage>& storage, const Header& header,
                                          const OpenContext& context) {
  if (!header.has_data_file()) return storage;
  if (!context.contents) return std::shared_ptr<Storage>();
  const std::string name = context.options.Text(kDataFileOption).value_or(header.data_file.value_or(""));
  if (name.empty()) {
    return Error(ErrorKind::kUnsupported, "'data-file' is required for this image")
        .At("qcow2 header", "external data file name")
        .Try("name the file with the open option data-file");
  }
  auto data = context.gate->Open(Reference{Reference::Role::kDataFile, name, "raw"}, storage->name());
  if (!data.ok()) return std::move(data).error().While("opening the data file of " + storage->name());
  return data;
}

}  // namespace

Result<Header> ReadHeader(Storage& storage, Tolerance tolerance) {
  const std::uint64_t file_size = storage.size();
  std::vector<std::byte> head;
  std::uint64_t wanted = kFirstRead;
  do {
    // A header of many small extensions is read in few turns.
    head.resize(std::min(std::max<std::uint64_t>(wanted, head.size() * 2), file_size));
    PLATTER_CHECK(storage.ReadAt(0, head));
    wanted = PLATTER_TRY(HeaderBytesNeeded(head));
  } while (wanted > head.size() && head.size() < file_size);
  return ParseHeader(head, file_size, tolerance);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  Header header = PLATTER_TRY(ReadHeader(*storage));
  auto snapshots = PLATTER_TRY(ReadSnapshotTable(*storage, header, context.limits));
  auto bitmaps = PLATTER_TRY(ReadBitmapDirectory(*storage, header, context.limits));
  auto specific = PLATTER_TRY(Describe(*storage, header, bitmaps));
  const ImageInfo info = DescribeImage(header, std::move(specific));
  auto data = PLATTER_TRY(OpenData(storage, header, context));
  auto file = std::make_shared<ImageFile>(std::move(storage), std::move(data), std::move(header), context.limits);
  return std::shared_ptr<Image>(
      std::make_shared<ActiveDisk>(std::move(file), info, std::move(snapshots), std::move(bitmaps)));
}

}  // namespace platter::qcow2
