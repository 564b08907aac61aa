#include "formats/qcow2/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"
#include "formats/qcow2/batch.h"
#include "formats/qcow2/bitmaps.h"
#include "formats/qcow2/qcow2.h"
#include "formats/qcow2/reader.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kAllSubclusters = 0xFFFFFFFF;
constexpr std::uint64_t kPageBytes = 65536;
constexpr std::uint64_t kPageEntries = kPageBytes / kL1EntrySize;
constexpr std::uint64_t kLookahead = 256;  // clusters
constexpr std::uint64_t kKnownAutoclear = kAutoclearBitmaps | kAutoclearRawDataFile;

WriterTraits TraitsFor(const Header& header, bool compress) {
  return {.unit = header.cluster_size(),
          .batch_alignment = header.cluster_size(),
          .starts_zeroed = false,
          .looked_at = compress ? WriterTraits::kWholeDisk : WriterTraits::kNothing,
          .compresses = compress};
}

Error NotWritable(std::string reason) { return Error(ErrorKind::kUnsupported, std::move(reason)); }

}  // namespace

Updater::Updater(Header header, const UpdateRequest& request, std::shared_ptr<Storage> data_file)
    : header_(std::move(header)),
      storage_(request.storage),
      data_file_(std::move(data_file)),
      context_(request.context),
      compress_(request.compress),
      traits_(TraitsFor(header_, request.compress)),
      cluster_size_(header_.cluster_size()),
      refcounts_(header_, *storage_),
      compressors_(header_.compression, request.compression_level),
      l1_(kPageBytes),
      l2_(cluster_size_) {}

Result<> Updater::CheckWritable() const {
  if (header_.has(kIncompatCorrupt)) {
    return NotWritable("image is marked corrupt").In(storage_->name()).Try("run platter check -r all");
  }
  if (header_.has(kIncompatDirty)) {
    return NotWritable("image was not closed properly").In(storage_->name()).Try("run platter check -r all");
  }
  if (header_.crypt_method != CryptMethod::kNone) {
    return NotWritable("encrypted images cannot be written").In(storage_->name());
  }
  if (compress_ && data_file_) {
    return NotWritable("images with a data file cannot be compressed").In(storage_->name());
  }
  return Done{};
}

Result<> Updater::Start() {
  PLATTER_CHECK(CheckWritable());
  return refcounts_.Load();
}

Result<> Updater::Begin() {
  PLATTER_CHECK(DropUnknownAutoclearBits());
  PLATTER_CHECK(FillRecordingBitmaps(context_.limits));
  begun_ = true;
  return Done{};
}

Result<> Updater::DropUnknownAutoclearBits() {
  if (header_.version < 3 || (header_.autoclear_features & ~kKnownAutoclear) == 0) return Done{};
  header_.autoclear_features &= kKnownAutoclear;
  std::array<std::byte, 8> field{};
  StoreBe(field.data(), header_.autoclear_features);
  return storage_->WriteAt(HeaderV3::kAutoclearFeatures.offset, field);
}

// A bitmap that records must not miss a change: all that it can say is said to have changed.
Result<> Updater::FillRecordingBitmaps(const Limits& limits) {
  if (!header_.bitmaps) return Done{};
  const auto records = PLATTER_TRY(ReadBitmapDirectory(*storage_, header_, limits));
  for (const BitmapRecord& record : records) {
    if (record.info.automatic && !record.info.in_use) {
      PLATTER_CHECK(FillBitmap(record.table_offset, record.table_size));
    }
  }
  PLATTER_CHECK(ReleaseFreed());
  return refcounts_.Flush();
}

Result<> Updater::FillBitmap(std::uint64_t table_offset, std::uint64_t entries) {
  std::vector<std::byte> page;
  for (std::uint64_t at = 0; at < entries * sizeof(std::uint64_t); at += kPageBytes) {
    page.resize(std::min(kPageBytes, entries * sizeof(std::uint64_t) - at));
    PLATTER_CHECK(storage_->ReadAt(table_offset + at, page));
    for (std::size_t entry = 0; entry < page.size(); entry += sizeof(std::uint64_t)) {
      const std::uint64_t offset = LoadBe<std::uint64_t>(page.data() + entry) & kBitmapTableOffsetMask;
      if (offset != 0) {
        PLATTER_CHECK(CheckPlace(offset, "bitmap table", (at + entry) / sizeof(std::uint64_t)));
        freed_.push_back({offset, cluster_size_, false});
      }
      StoreBe(page.data() + entry, kBitmapTableAllOnes);
    }
    PLATTER_CHECK(storage_->WriteAt(table_offset + at, page));
    PLATTER_CHECK(ReleaseFreed());
  }
  return Done{};
}

Result<> Updater::Encode(Batch& batch) {
  return compress_ ? CompressClusters(batch, compressors_, cluster_size_) : Done{};
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  if (!begun_) PLATTER_CHECK(Begin());
  next_unit_ = 0;
  for (const Run& run : batch.runs) PLATTER_CHECK(PlaceRun(batch, run));
  return Done{};
}

Result<> Updater::PlaceRun(Batch& batch, const Run& run) {
  if (run.kind == Run::Kind::kBacking || run.length == 0) return Done{};
  const bool whole = run.end() % cluster_size_ == 0 || run.end() == header_.virtual_size;
  const std::uint64_t end = whole ? DivideRoundingUp(run.end(), cluster_size_) : run.end() / cluster_size_;
  for (std::uint64_t cluster = run.offset / cluster_size_; cluster < end;) {
    const std::uint64_t rest_of_table = header_.l2_entries() - cluster % header_.l2_entries();
    const std::uint64_t part = std::min(end - cluster, rest_of_table);
    PLATTER_CHECK(SeekTable(cluster));
    PLATTER_CHECK(run.kind == Run::Kind::kData ? PlaceData(batch, cluster, part) : PlaceZeros(batch, cluster, part));
    cluster += part;
  }
  return whole ? Done{} : PlaceTail(batch, run);
}

// The source ends inside a cluster, the image goes on: the rest of the cluster keeps what the guest reads there.
Result<> Updater::PlaceTail(Batch& batch, const Run& run) {
  const std::uint64_t cluster = run.end() / cluster_size_;
  const std::uint64_t begin = cluster * cluster_size_;
  const std::uint64_t length = std::min(cluster_size_, header_.virtual_size - begin);
  PLATTER_CHECK(WriteTable());
  PLATTER_CHECK(refcounts_.Flush());
  l2_index_ = kNoTable;
  const auto image = PLATTER_TRY(Open(storage_, context_));
  const LayerExtent rest = PLATTER_TRY(image->Map(run.end(), begin + length - run.end()));
  const bool below = rest.status == BlockStatus::kUnallocated || rest.length != begin + length - run.end();
  if (below && !header_.backing_file.empty()) {
    return NotWritable("the source ends inside a cluster of which the rest lies in the backing file")
        .Found(run.end())
        .Allowed(fmt::format("a multiple of {}", cluster_size_))
        .In(storage_->name());
  }
  tail_.assign(length, std::byte{0});
  PLATTER_CHECK(image->ReadAt(begin, tail_));
  const std::uint64_t from = std::max(run.offset, begin);
  const auto changed = std::span(tail_).subspan(from - begin, run.end() - from);
  if (run.kind == Run::Kind::kData) {
    std::ranges::copy(batch.bytes.subspan(from - batch.offset, changed.size()), changed.begin());
  } else {
    std::ranges::fill(changed, std::byte{0});
  }
  PLATTER_CHECK(SeekTable(cluster));
  const std::uint64_t own = PLATTER_TRY(OwnCluster(cluster, Entry(cluster)));
  const std::uint64_t fresh = own != 0 || data_file_ ? 0 : PLATTER_TRY(refcounts_.AllocateUpTo(1)).offset;
  const std::uint64_t host = data_file_ ? begin : own != 0 ? own : fresh;
  if (own != 0 && !data_file_) {
    SetEntry(cluster, host | kCopied, kAllSubclusters);
  } else {
    PLATTER_CHECK(Replace(cluster, host | kCopied, kAllSubclusters));
  }
  AppendWrite(batch, data_storage(), host, tail_);
  if (!data_file_) AppendZeros(batch, *storage_, host + length, cluster_size_ - length);
  return Done{};
}

Result<std::uint64_t> Updater::OwnCluster(std::uint64_t cluster, std::uint64_t entry) {
  const std::uint64_t offset = entry & kOffsetMask;
  if ((entry & kCompressed) != 0 || offset == 0 || data_file_) return std::uint64_t{0};
  PLATTER_CHECK(CheckPlace(offset, "L2 table", cluster % header_.l2_entries()));
  const std::uint64_t count = PLATTER_TRY(refcounts_.Get(offset >> header_.cluster_bits));
  return count == 1 ? offset : 0;
}

Result<> Updater::PlaceData(Batch& batch, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t end = first + count;
  for (std::uint64_t cluster = first; cluster < end;) {
    if (compress_) {
      PLATTER_CHECK(PlaceCompressed(batch, cluster++));
      continue;
    }
    // Neighbours that need a new place get theirs together.
    std::uint64_t needy = 0;
    while (!data_file_ && cluster + needy < end && needy < kLookahead &&
           PLATTER_TRY(OwnCluster(cluster + needy, Entry(cluster + needy))) == 0) {
      ++needy;
    }
    if (needy == 0) {
      PLATTER_CHECK(PlaceCluster(batch, cluster++, 0));
      continue;
    }
    const auto piece = PLATTER_TRY(refcounts_.AllocateUpTo(needy));
    for (std::uint64_t index = 0; index < piece.count; ++index) {
      PLATTER_CHECK(PlaceCluster(batch, cluster++, piece.offset + index * cluster_size_));
    }
  }
  return Done{};
}

// Writes a cluster to `fresh`, or where it is when `fresh` is 0.
Result<> Updater::PlaceCluster(Batch& batch, std::uint64_t cluster, std::uint64_t fresh) {
  if (data_file_) {
    SetEntry(cluster, cluster * cluster_size_ | kCopied, kAllSubclusters);
    WriteGuestBytes(batch, cluster * cluster_size_, cluster);
    return Done{};
  }
  if (fresh != 0) {
    PLATTER_CHECK(Replace(cluster, fresh | kCopied, kAllSubclusters));
    WriteGuestBytes(batch, fresh, cluster);
    return Done{};
  }
  const std::uint64_t offset = Entry(cluster) & kOffsetMask;
  SetEntry(cluster, offset | kCopied, kAllSubclusters);
  WriteGuestBytes(batch, offset, cluster);
  return Done{};
}

Result<> Updater::PlaceCompressed(Batch& batch, std::uint64_t cluster) {
  const EncodedUnit unit = batch.units[next_unit_++];
  if (unit.length == 0) {
    const std::uint64_t own = PLATTER_TRY(OwnCluster(cluster, Entry(cluster)));
    return PlaceCluster(batch, cluster, own != 0 ? 0 : PLATTER_TRY(refcounts_.AllocateUpTo(1)).offset);
  }
  const std::uint64_t offset = PLATTER_TRY(AllocateBytes(unit.length));
  PLATTER_CHECK(Replace(cluster, EncodeCompressed(header_, offset, unit.length), 0));
  AppendWrite(batch, *storage_, offset, std::span(batch.encoded).subspan(unit.offset, unit.length));
  return Done{};
}

Result<std::uint64_t> Updater::AllocateBytes(std::uint64_t length) {
  const std::uint64_t room = AlignUp(open_, cluster_size_) - open_;
  const std::uint64_t open_cluster = open_ >> header_.cluster_bits;
  std::uint64_t offset = open_;
  if (room < length || !PLATTER_TRY(refcounts_.Add(open_cluster))) {
    const std::uint64_t fresh = PLATTER_TRY(refcounts_.AllocateUpTo(1)).offset;
    const bool continues = room != 0 && length > room && fresh == open_ + room;
    offset = continues && PLATTER_TRY(refcounts_.Add(open_cluster)) ? open_ : fresh;
  }
  open_ = offset + length;
  if (open_ > std::uint64_t{1} << header_.compressed_offset_bits()) {
    return Error(ErrorKind::kLimit, "image file grows past what compressed clusters can reach").In(storage_->name());
  }
  return offset;
}

Result<> Updater::PlaceZeros(Batch& batch, std::uint64_t first, std::uint64_t count) {
  const bool has_backing = !header_.backing_file.empty();
  if (l2_offset_ == 0 && !l2_dirty_ && !has_backing && !header_.data_file_raw()) return Done{};
  for (std::uint64_t cluster = first; cluster < first + count; ++cluster) {
    const bool unallocated =
        Entry(cluster) == 0 &&
        (!header_.extended_l2() || LoadBe<std::uint64_t>(l2_.data() + cluster % header_.l2_entries() * 16 + 8) == 0);
    if (header_.data_file_raw() || (header_.version < 3 && has_backing)) {
      PLATTER_CHECK(WriteZeroCluster(batch, cluster));
    } else if (unallocated && !has_backing) {
      continue;
    } else if (header_.version < 3) {
      PLATTER_CHECK(Replace(cluster, 0, 0));
    } else {
      PLATTER_CHECK(Replace(cluster, header_.extended_l2() ? 0 : kAllZero, kAllSubclusters << 32));
    }
  }
  return Done{};
}

Result<> Updater::WriteZeroCluster(Batch& batch, std::uint64_t cluster) {
  if (data_file_) {
    const std::uint64_t offset = cluster * cluster_size_;
    SetEntry(cluster, offset | kCopied, kAllSubclusters);
    AppendZeros(batch, *data_file_, offset, std::min(cluster_size_, header_.virtual_size - offset));
    return Done{};
  }
  std::uint64_t host = PLATTER_TRY(OwnCluster(cluster, Entry(cluster)));
  if (host == 0) {
    host = PLATTER_TRY(refcounts_.AllocateUpTo(1)).offset;
    PLATTER_CHECK(Replace(cluster, host | kCopied, kAllSubclusters));
  }
  AppendZeros(batch, *storage_, host, cluster_size_);
  return Done{};
}

void Updater::WriteGuestBytes(Batch& batch, std::uint64_t host_offset, std::uint64_t cluster) {
  const std::uint64_t guest_offset = cluster * cluster_size_;
  const std::uint64_t stored = std::min(cluster_size_, header_.virtual_size - guest_offset);
  AppendWrite(batch, data_storage(), host_offset, batch.bytes.subspan(guest_offset - batch.offset, stored));
  if (!data_file_) AppendZeros(batch, *storage_, host_offset + stored, cluster_size_ - stored);
}

Result<> Updater::CheckPlace(std::uint64_t offset, const char* structure, std::uint64_t index) const {
  const auto overlaps = [&](std::uint64_t begin, std::uint64_t length) {
    return offset < begin + AlignUp(length, cluster_size_) && offset + cluster_size_ > begin;
  };
  const bool metadata = offset < cluster_size_ || overlaps(header_.l1_table_offset, header_.l1_size * kL1EntrySize) ||
                        overlaps(header_.refcount_table_offset, header_.refcount_table_clusters * cluster_size_) ||
                        (l2_offset_ != 0 && overlaps(l2_offset_, cluster_size_));
  if (IsAligned(offset, cluster_size_) && offset < refcounts_.end() && !metadata) return Done{};
  return Error(ErrorKind::kCorrupt, "entry does not point at a cluster of its own")
      .At(structure, fmt::format("entry {}", index))
      .Found(fmt::format("{:#x}", offset))
      .Allowed(fmt::format("a multiple of {} below {}, outside the image's tables", cluster_size_, refcounts_.end()))
      .In(storage_->name());
}

Result<std::uint64_t> Updater::L1Entry(std::uint64_t index) {
  if (index / kPageEntries != l1_page_) {
    l1_page_ = kNoTable;
    const std::uint64_t page = index / kPageEntries;
    const std::uint64_t bytes = std::min(kPageBytes, header_.l1_size * kL1EntrySize - page * kPageBytes);
    PLATTER_CHECK(storage_->ReadAt(header_.l1_table_offset + page * kPageBytes, std::span(l1_).first(bytes)));
    l1_page_ = page;
  }
  return LoadBe<std::uint64_t>(l1_.data() + index % kPageEntries * kL1EntrySize);
}

// Requires: L1Entry(index) came last.
Result<> Updater::SetL1Entry(std::uint64_t index, std::uint64_t entry) {
  std::byte* slot = l1_.data() + index % kPageEntries * kL1EntrySize;
  StoreBe(slot, entry);
  return storage_->WriteAt(header_.l1_table_offset + index * kL1EntrySize, std::span(slot, kL1EntrySize));
}

Result<> Updater::SeekTable(std::uint64_t cluster) {
  const std::uint64_t index = cluster / header_.l2_entries();
  if (index == l2_index_) return Done{};
  PLATTER_CHECK(WriteTable());
  l2_index_ = kNoTable;
  l2_offset_ = 0;
  l2_shared_ = false;
  const std::uint64_t offset = PLATTER_TRY(L1Entry(index)) & kOffsetMask;
  if (offset == 0) {
    std::ranges::fill(l2_, std::byte{0});
  } else {
    PLATTER_CHECK(CheckPlace(offset, "L1 table", index));
    PLATTER_CHECK(storage_->ReadPadded(offset, l2_));
    l2_shared_ = PLATTER_TRY(refcounts_.Get(offset >> header_.cluster_bits)) != 1;
  }
  l2_offset_ = offset;
  l2_index_ = index;
  return Done{};
}

std::uint64_t Updater::Entry(std::uint64_t cluster) const noexcept {
  return LoadBe<std::uint64_t>(l2_.data() + cluster % header_.l2_entries() * header_.l2_entry_size());
}

void Updater::SetEntry(std::uint64_t cluster, std::uint64_t entry, std::uint64_t bitmap) {
  std::byte* slot = l2_.data() + cluster % header_.l2_entries() * header_.l2_entry_size();
  StoreBe(slot, entry);
  if (header_.extended_l2()) StoreBe(slot + 8, bitmap);
  l2_dirty_ = true;
}

Result<> Updater::Replace(std::uint64_t cluster, std::uint64_t entry, std::uint64_t bitmap) {
  const std::uint64_t old = Entry(cluster);
  if ((old & kCompressed) != 0) {
    const CompressedSpot spot = DecodeCompressed(header_, old);
    freed_.push_back({spot.offset, spot.length, true});
  } else if ((old & kOffsetMask) != 0 && !data_file_) {
    PLATTER_CHECK(CheckPlace(old & kOffsetMask, "L2 table", cluster % header_.l2_entries()));
    freed_.push_back({old & kOffsetMask, cluster_size_, false});
  }
  SetEntry(cluster, entry, bitmap);
  return Done{};
}

Result<> Updater::WriteTable() {
  if (!l2_dirty_) return Done{};
  const std::uint64_t old = l2_offset_;
  const bool moves = old == 0 || l2_shared_;
  if (moves) l2_offset_ = PLATTER_TRY(refcounts_.AllocateUpTo(1)).offset;
  PLATTER_CHECK(refcounts_.Flush());
  PLATTER_CHECK(GrowFile());
  PLATTER_CHECK(storage_->WriteAt(l2_offset_, l2_));
  if (moves) {
    PLATTER_CHECK(L1Entry(l2_index_));
    PLATTER_CHECK(SetL1Entry(l2_index_, l2_offset_ | kCopied));
    if (old != 0) freed_.push_back({old, cluster_size_, false});
  }
  l2_dirty_ = false;
  l2_shared_ = false;
  return ReleaseFreed();
}

Result<> Updater::GrowFile() {
  if (storage_->is_device() || storage_->size() >= refcounts_.end()) return Done{};
  return storage_->Resize(refcounts_.end());
}

Result<> Updater::ReleaseFreed() {
  std::vector<std::uint64_t> unused;
  for (const Freed& freed : freed_) {
    const std::uint64_t last = (freed.offset + freed.length - 1) >> header_.cluster_bits;
    for (std::uint64_t cluster = freed.offset >> header_.cluster_bits; cluster <= last; ++cluster) {
      if (PLATTER_TRY(refcounts_.Release(cluster)) == 0) unused.push_back(cluster);
    }
  }
  freed_.clear();
  return Discard(unused);
}

// Gives the space back at once: later the clusters may be in use again.
Result<> Updater::Discard(std::vector<std::uint64_t>& clusters) {
  if (storage_->is_device()) return Done{};
  std::ranges::sort(clusters);
  for (std::size_t first = 0; first < clusters.size();) {
    std::size_t end = first + 1;
    while (end < clusters.size() && clusters[end] == clusters[first] + (end - first)) ++end;
    const std::uint64_t offset = clusters[first] << header_.cluster_bits;
    const std::uint64_t stored = storage_->size();
    const std::uint64_t length = (end - first) << header_.cluster_bits;
    if (offset < stored) PLATTER_CHECK(storage_->Punch(offset, std::min(length, stored - offset)));
    first = end;
  }
  return Done{};
}

Result<> Updater::Finish() {
  PLATTER_CHECK(WriteTable());
  PLATTER_CHECK(refcounts_.Flush());
  PLATTER_CHECK(GrowFile());
  if (data_file_) PLATTER_CHECK(data_file_->Sync());
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  const auto image = PLATTER_TRY(Open(request.storage, request.context));
  Header header = PLATTER_TRY(ReadHeader(*request.storage));
  const auto files = image->files();
  PLATTER_CHECK(CheckCompressionLevel(header.compression, request.compression_level));
  auto data_file = header.has_data_file() ? files.back() : nullptr;
  auto updater = std::make_unique<Updater>(std::move(header), request, std::move(data_file));
  PLATTER_CHECK(updater->Start());
  return std::unique_ptr<ImageWriter>(std::move(updater));
}

}  // namespace platter::qcow2
