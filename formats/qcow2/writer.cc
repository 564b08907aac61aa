#include "formats/qcow2/writer.h"

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/qcow2/batch.h"
#include "formats/qcow2/measure.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kAllSubclusters = 0xFFFFFFFF;
constexpr std::uint64_t kHostBlock = 4096;
constexpr std::uint64_t kFillBytes = std::uint64_t{1} << 20;

WriterTraits TraitsFor(const CreateOptions& options, bool compress) {
  const Header& header = options.header;
  const bool reserved =
      options.preallocation == Preallocation::kFalloc || options.preallocation == Preallocation::kFull;
  return {.unit = compress ? header.cluster_size() : header.subcluster_size(),
          .batch_alignment = header.cluster_size(),
          .starts_zeroed = header.backing_file.empty(),
          .host_alignment = compress || reserved ? 1 : header.cluster_size(),
          .looked_at = compress ? WriterTraits::kWholeDisk : WriterTraits::kNothing,
          .packing = compress ? PackingOf(header) : std::nullopt,
          .compresses = compress};
}

}  // namespace

Writer::Writer(CreateOptions options, std::shared_ptr<Storage> storage, std::shared_ptr<Storage> data_file,
               bool compress, std::optional<int> compression_level)
    : options_(std::move(options)),
      storage_(std::move(storage)),
      data_file_(std::move(data_file)),
      compress_(compress),
      traits_(TraitsFor(options_, compress)),
      cluster_size_(options_.header.cluster_size()),
      allocator_(options_.header, *storage_, options_.preallocation == Preallocation::kFull),
      map_(options_.header, *storage_, allocator_, options_.preallocation == Preallocation::kFull,
           options_.preallocates()),
      bitmaps_(options_.header, *storage_, allocator_, options_.preallocation == Preallocation::kFull),
      compressors_(options_.header.compression, compression_level),
      zeros_(options_.preallocation == Preallocation::kFull ? std::max(kFillBytes, cluster_size_) : 0) {}

Result<> Writer::StartDataFile() {
  const std::uint64_t size = options_.header.virtual_size;
  if (data_file_->is_device()) {
    if (size <= data_file_->size()) return Done{};
    return Error(ErrorKind::kInvalid, "data file is smaller than the disk")
        .Found(data_file_->size())
        .In(data_file_->name());
  }
  PLATTER_CHECK(data_file_->Resize(0));
  return data_file_->Resize(size);
}

Result<> Writer::Start() {
  if (storage_->size() != 0) {
    PLATTER_CHECK(storage_->WriteAt(0, std::vector<std::byte>(cluster_size_)));
  }
  if (data_file_) PLATTER_CHECK(StartDataFile());
  options_.header.l1_table_offset = PLATTER_TRY(map_.Reserve());
  return ReserveSpace();
}

Result<> Writer::ReserveSpace() {
  if (options_.preallocation != Preallocation::kFalloc && options_.preallocation != Preallocation::kFull) return Done{};
  const Header& header = options_.header;
  if (data_file_) return data_file_->Allocate(0, header.virtual_size);
  // Nothing is ever written behind the L1 table's last entry.
  const std::uint64_t l1_end = header.l1_table_offset + header.l1_size * kL1EntrySize;
  const std::uint64_t used_end = AlignUp(l1_end, kHostBlock);
  const std::uint64_t rest = std::max(used_end, AlignUp(l1_end, cluster_size_));
  PLATTER_CHECK(storage_->Allocate(0, used_end));
  const std::uint64_t all = AlignUp(header.virtual_size, cluster_size_) + MetadataBytes(header);
  return all > rest ? storage_->Allocate(rest, all - rest) : Done{};
}

Result<> Writer::Encode(Batch& batch) {
  return compress_ ? CompressClusters(batch, compressors_, cluster_size_) : Done{};
}

Result<> Writer::Place(Batch& batch) {
  batch.writes.clear();
  next_unit_ = 0;
  PLATTER_CHECK(AdvanceTo(batch, batch.offset));
  for (const Run& run : batch.runs) PLATTER_CHECK(PlaceRun(batch, run));
  PLATTER_CHECK(PlacePartial(batch));
  position_ = AlignUp(batch.offset + batch.length, kSectorSize);
  return Done{};
}

Result<> Writer::AdvanceTo(Batch& batch, std::uint64_t guest_offset) {
  if (guest_offset <= position_ || !options_.preallocates()) return Done{};
  PLATTER_CHECK(PlaceRun(batch, {Run::Kind::kBacking, position_, guest_offset - position_}));
  PLATTER_CHECK(PlacePartial(batch));
  position_ = guest_offset;
  return Done{};
}

Result<> Writer::PlaceRun(Batch& batch, Run run) {
  // The disk's last cluster counts as whole; its bytes end with the disk, which the source may reach within a sector.
  if (AlignUp(run.end(), kSectorSize) == options_.header.virtual_size) {
    run.length = AlignUp(run.end(), options_.header.subcluster_size()) - run.offset;
  }
  while (run.length != 0) {
    const std::uint64_t in_cluster = run.offset % cluster_size_;
    Run part = run;
    if (in_cluster != 0 || run.length < cluster_size_) {
      part.length = std::min(run.length, cluster_size_ - in_cluster);
      if (!partial_.open || partial_.cluster != run.offset / cluster_size_) PLATTER_CHECK(PlacePartial(batch));
      AddPart(part);
    } else {
      part.length = AlignDown(run.length, cluster_size_);
      PLATTER_CHECK(PlacePartial(batch));
      PLATTER_CHECK(PlaceClusters(batch, run.kind, run.offset / cluster_size_, part.length / cluster_size_));
    }
    run.offset += part.length;
    run.length -= part.length;
  }
  return Done{};
}

Result<> Writer::PlaceClusters(Batch& batch, Run::Kind kind, std::uint64_t first, std::uint64_t count) {
  const Header& header = options_.header;
  const bool zero = kind == Run::Kind::kZero && has_backing();
  const bool stored = kind == Run::Kind::kData || zero || options_.preallocates();
  while (stored && count != 0) {
    const std::uint64_t part = std::min(count, map_.RestOfTable(first));
    PLATTER_CHECK(map_.Enter(first));
    if (kind == Run::Kind::kData) {
      PLATTER_CHECK(PlaceData(batch, first, part));
    } else if (options_.preallocates()) {
      PLATTER_CHECK(PlaceUnwritten(batch, first, part, zero ? kAllSubclusters << 32 : 0));
    } else if (header.version < 3) {
      PLATTER_CHECK(PlaceUnwritten(batch, first, part, 0));
    } else {
      PLATTER_CHECK(PlaceZeroFlags(first, part));
    }
    first += part;
    count -= part;
  }
  return Done{};
}

Result<ClusterAllocator::Piece> Writer::HostClusters(std::uint64_t first, std::uint64_t wanted) {
  if (data_file_) return ClusterAllocator::Piece{first * cluster_size_, wanted};
  return allocator_.AllocateUpTo(wanted);
}

Result<> Writer::PlaceData(Batch& batch, std::uint64_t first, std::uint64_t count) {
  while (compress_ && count != 0) {
    PLATTER_CHECK(PlaceCompressed(batch, first));
    ++first;
    --count;
  }
  while (count != 0) {
    const auto piece = PLATTER_TRY(HostClusters(first, count));
    for (std::uint64_t index = 0; index < piece.count; ++index) {
      map_.Set(first + index, (piece.offset + index * cluster_size_) | kCopied, kAllSubclusters);
    }
    WriteGuestBytes(batch, piece.offset, first * cluster_size_, piece.count * cluster_size_);
    first += piece.count;
    count -= piece.count;
  }
  return Done{};
}

Result<> Writer::PlaceCompressed(Batch& batch, std::uint64_t cluster) {
  const EncodedUnit unit = batch.units[next_unit_++];
  if (unit.length == 0) {
    const std::uint64_t offset = PLATTER_TRY(allocator_.Allocate(1));
    map_.Set(cluster, offset | kCopied, kAllSubclusters);
    WriteGuestBytes(batch, offset, cluster * cluster_size_, cluster_size_);
    return Done{};
  }
  const std::uint64_t offset = PLATTER_TRY(allocator_.AllocateBytes(unit.length, unit.phase));
  map_.Set(cluster, EncodeCompressed(options_.header, offset, unit.length), 0);
  AppendWrite(batch, *storage_, offset, std::span(batch.encoded).subspan(unit.offset, unit.length));
  return Done{};
}

Result<> Writer::PlaceUnwritten(Batch& batch, std::uint64_t first, std::uint64_t count, std::uint64_t bitmap) {
  while (count != 0) {
    const auto piece = PLATTER_TRY(HostClusters(first, count));
    for (std::uint64_t index = 0; index < piece.count; ++index) {
      map_.Set(first + index, (piece.offset + index * cluster_size_) | kCopied, bitmap);
    }
    PLATTER_CHECK(WriteZeros(batch, piece.offset, piece.count * cluster_size_));
    first += piece.count;
    count -= piece.count;
  }
  return Done{};
}

Result<> Writer::PlaceZeroFlags(std::uint64_t first, std::uint64_t count) {
  const bool extended = options_.header.extended_l2();
  for (std::uint64_t index = 0; index < count; ++index) {
    map_.Set(first + index, extended ? 0 : kAllZero, kAllSubclusters << 32);
  }
  return Done{};
}

void Writer::AddPart(const Run& run) {
  const std::uint64_t subcluster = options_.header.subcluster_size();
  const std::uint64_t first = run.offset % cluster_size_ / subcluster;
  const std::uint64_t count = run.length / subcluster;
  const auto bits = static_cast<std::uint32_t>(((std::uint64_t{1} << count) - 1) << first);
  partial_.open = true;
  partial_.cluster = run.offset / cluster_size_;
  if (run.kind == Run::Kind::kData) {
    partial_.allocated |= bits;
    partial_.data.push_back(run);
  } else if (run.kind == Run::Kind::kZero && has_backing()) {
    partial_.zero |= bits;
  }
}

Result<> Writer::PlacePartial(Batch& batch) {
  if (!partial_.open) return Done{};
  const bool stored = partial_.allocated != 0 || options_.preallocates();
  const std::uint64_t bitmap = std::uint64_t{partial_.zero} << 32 | partial_.allocated;
  if (stored || partial_.zero != 0) {
    PLATTER_CHECK(map_.Enter(partial_.cluster));
    std::uint64_t entry = 0;
    if (stored) {
      const auto piece = PLATTER_TRY(HostClusters(partial_.cluster, 1));
      if (partial_.allocated != kAllSubclusters) PLATTER_CHECK(WriteZeros(batch, piece.offset, cluster_size_));
      for (const Run& run : partial_.data) {
        WriteGuestBytes(batch, piece.offset + run.offset % cluster_size_, run.offset, run.length);
      }
      entry = piece.offset | kCopied;
    }
    map_.Set(partial_.cluster, entry, bitmap);
  }
  partial_.open = false;
  partial_.allocated = 0;
  partial_.zero = 0;
  partial_.data.clear();
  return Done{};
}

void Writer::WriteGuestBytes(Batch& batch, std::uint64_t host_offset, std::uint64_t guest_offset,
                             std::uint64_t length) {
  const std::uint64_t stored = std::min(length, batch.offset + batch.length - guest_offset);
  AppendWrite(batch, data_storage(), host_offset, batch.bytes.subspan(guest_offset - batch.offset, stored));
  if (stored != length && !data_file_ && storage_->is_device()) {
    AppendZeros(batch, *storage_, host_offset + stored, length - stored);
  }
}

Result<> Writer::WriteZeros(Batch& batch, std::uint64_t host_offset, std::uint64_t length) {
  Storage& storage = data_storage();
  if (data_file_) length = std::min(length, options_.header.virtual_size - host_offset);
  if (storage.is_device()) {
    AppendZeros(batch, storage, host_offset, length);
    return Done{};
  }
  for (std::uint64_t done = 0; !zeros_.empty() && done < length;) {
    const auto part = std::span(zeros_).first(std::min<std::uint64_t>(zeros_.size(), length - done));
    PLATTER_CHECK(storage.WriteAt(host_offset + done, part));
    done += part.size();
  }
  return Done{};
}

Result<> Writer::WriteHeader() {
  const auto bytes = PLATTER_TRY(SerializeFitting(options_.header));
  return WriteTable(*storage_, 0, bytes, !zeros_.empty());
}

Result<> Writer::Finish() {
  Batch rest;
  PLATTER_CHECK(AdvanceTo(rest, options_.header.virtual_size));
  PLATTER_CHECK(Store(rest));
  PLATTER_CHECK(map_.Finish());
  options_.header.bitmaps = PLATTER_TRY(bitmaps_.Finish());
  if (options_.header.bitmaps) options_.header.autoclear_features |= kAutoclearBitmaps;
  const auto refcount_table = PLATTER_TRY(allocator_.Finish());
  options_.header.refcount_table_offset = refcount_table.offset;
  options_.header.refcount_table_clusters = static_cast<std::uint32_t>(refcount_table.count);
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(allocator_.end()));
  if (data_file_) PLATTER_CHECK(data_file_->Sync());
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(WriteHeader());
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  if (request.compress && options.preallocates()) {
    return Error(ErrorKind::kInvalid, "Compression and preallocation not supported at the same time");
  }
  if (request.compress && options.header.has_data_file()) {
    return Error(ErrorKind::kUnsupported, "option 'data_file': images with a data file cannot be compressed");
  }
  PLATTER_CHECK(CheckCompressionLevel(options.header.compression, request.compression_level));
  std::shared_ptr<Storage> data_file;
  if (options.header.has_data_file()) {
    data_file = PLATTER_TRY(request.open_side_file({Reference::Role::kDataFile, *options.header.data_file, "raw"}));
  }
  auto writer = std::make_unique<Writer>(std::move(options), request.storage, std::move(data_file), request.compress,
                                         request.compression_level);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::qcow2
