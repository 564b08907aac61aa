#include "formats/vmdk/stream_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

constexpr std::uint16_t kWindowBits = 15;
constexpr std::uint64_t kOverhead = kDefaultGrainSectors;  // sectors
constexpr std::size_t kTableRoom = kSectorSize + kTableBytes;
constexpr std::size_t kGrainRoom =
    AlignUp<std::size_t>(GrainMarkerLayout::kSize + DeflateBound(kGrainSize), kSectorSize);
constexpr std::array<std::byte, kGrainSize> kZeroGrain{};

// `out`: one sector.
void EncodeMarker(Marker type, std::uint64_t sectors, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  RecordEditor<MetadataMarkerLayout> marker(out.first<MetadataMarkerLayout::kSize>());
  marker.Set<MetadataMarkerLayout::kSectors>(sectors);
  marker.Set<MetadataMarkerLayout::kType>(static_cast<std::uint32_t>(type));
}

}  // namespace

StreamWriter::StreamWriter(CreateOptions options, std::shared_ptr<Storage> storage, int level)
    : options_(std::move(options)),
      storage_(std::move(storage)),
      deflaters_([level] { return std::make_unique<Deflater>(DeflateWrapper::kZlib, kWindowBits, level); }) {
  traits_ = {.unit = kGrainSize,
             .batch_alignment = kGrainSize,
             .starts_zeroed = !options_.has_backing,
             .packing = Packing{Codec::kZlib, kGrainSize},
             .compresses = true};
}

Result<> StreamWriter::Start() {
  position_ = kOverhead;
  if (storage_->is_stream()) return WriteHead(kDirectoryAtEnd);
  if (storage_->is_device()) return storage_->Punch(0, kOverhead * kSectorSize);
  return storage_->size() == 0 ? Result<>(Done{}) : storage_->Resize(0);
}

Result<> StreamWriter::ForEachGrain(const Batch& batch, const GrainVisitor& visit) const {
  for (const Run& run : batch.runs) {
    const bool zeros = run.kind == Run::Kind::kZero && options_.has_backing;
    if (run.kind != Run::Kind::kData && !zeros) continue;
    const Grain zero = options_.zeroed_grain ? Grain::kZeroEntry : Grain::kZeros;
    for (std::uint64_t at = run.offset; at < run.end(); at += kGrainSize) {
      PLATTER_CHECK(visit(at / kGrainSize, zeros ? zero : Grain::kData));
    }
  }
  return Done{};
}

Result<std::size_t> StreamWriter::CountTables(const Batch& batch) const {
  std::size_t tables = 0;
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  PLATTER_CHECK(ForEachGrain(batch, [&](std::uint64_t grain, Grain /*kind*/) {
    tables += grain / kGrainTableEntries != last ? 1 : 0;
    last = grain / kGrainTableEntries;
    return Result<>(Done{});
  }));
  return tables;
}

Result<> StreamWriter::Encode(Batch& batch) {
  batch.units.clear();
  std::size_t used = PLATTER_TRY(CountTables(batch)) * kTableRoom;
  if (batch.encoded.size() < used) batch.encoded.resize(used);
  auto deflater = deflaters_.Take();
  PLATTER_CHECK(ForEachGrain(batch, [&](std::uint64_t grain, Grain kind) -> Result<> {
    if (kind == Grain::kZeroEntry) return Done{};
    if (kind == Grain::kZeros) return EncodeGrain(batch, *deflater, kZeroGrain, grain, used);
    const auto rest = batch.bytes.subspan(grain * kGrainSize - batch.offset);
    return EncodeGrain(batch, *deflater, rest.first(std::min<std::size_t>(rest.size(), kGrainSize)), grain, used);
  }));
  deflaters_.Give(std::move(deflater));
  return Done{};
}

Result<> StreamWriter::EncodeGrain(Batch& batch, Deflater& deflater, std::span<const std::byte> bytes,
                                   std::uint64_t grain, std::size_t& used) const {
  std::array<std::byte, kGrainSize> whole{};
  if (bytes.size() < kGrainSize) {
    // The disk's last grain is filled up with zeros.
    std::ranges::copy(bytes, whole.begin());
    bytes = whole;
  }
  if (batch.encoded.size() < used + kGrainRoom) {
    batch.encoded.resize(std::max(used + kGrainRoom, used + batch.bytes.size() + batch.bytes.size() / 16));
  }
  const auto room = std::span(batch.encoded).subspan(used, kGrainRoom);
  const auto payload = room.subspan(GrainMarkerLayout::kSize);
  const PackedUnit* packed = batch.packed.Find(grain * kGrainSize);
  if (packed != nullptr) std::ranges::copy(batch.packed.StreamOf(*packed), payload.begin());
  const std::size_t length = packed != nullptr ? packed->length : PLATTER_TRY(deflater.Compress(bytes, payload));
  if (length == 0) return Error(ErrorKind::kIo, "a grain does not fit its room");
  RecordEditor<GrainMarkerLayout> marker(room.first<GrainMarkerLayout::kSize>());
  marker.Set<GrainMarkerLayout::kLba>(grain * kDefaultGrainSectors);
  marker.Set<GrainMarkerLayout::kDataBytes>(static_cast<std::uint32_t>(length));
  const std::size_t end = GrainMarkerLayout::kSize + length;
  const std::size_t padded = AlignUp<std::size_t>(end, kSectorSize);
  std::ranges::fill(room.subspan(end, padded - end), std::byte{0});
  batch.units.push_back({used, padded});
  used += padded;
  return Done{};
}

Result<> StreamWriter::Place(Batch& batch) {
  // A batch without data has not been through Encode.
  if (batch.bytes.empty()) PLATTER_CHECK(Encode(batch));
  batch.writes.clear();
  std::size_t next_unit = 0;
  std::size_t next_room = 0;
  return ForEachGrain(batch, [&](std::uint64_t grain, Grain kind) -> Result<> {
    const std::uint64_t table = grain / kGrainTableEntries;
    if (table_used_ && table != table_) {
      const auto room = std::span(batch.encoded).subspan(next_room, kTableRoom);
      TakeTable(room);
      AppendWrite(batch, *storage_, position_ * kSectorSize, room);
      PLATTER_CHECK(Advance(kTableRoom / kSectorSize));
      next_room += kTableRoom;
    }
    table_ = table;
    table_used_ = true;
    std::uint32_t& entry = entries_.at(grain % kGrainTableEntries);
    if (kind == Grain::kZeroEntry) {
      entry = kZeroedGrain;
      return Done{};
    }
    const EncodedUnit unit = batch.units[next_unit++];
    entry = static_cast<std::uint32_t>(position_);
    AppendWrite(batch, *storage_, position_ * kSectorSize, std::span(batch.encoded).subspan(unit.offset, unit.length));
    return Advance(unit.length / kSectorSize);
  });
}

Result<> StreamWriter::Advance(std::uint64_t sectors) {
  position_ += sectors;
  if (position_ <= std::numeric_limits<std::uint32_t>::max()) return Done{};
  return Error(ErrorKind::kOutOfRange, "a sparse extent cannot hold more than 2 TiB").In(storage_->name());
}

void StreamWriter::TakeTable(std::span<std::byte> room) {
  EncodeMarker(Marker::kGrainTable, kTableSectors, room.first(kSectorSize));
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    StoreLe(&room[kSectorSize + index * kEntrySize], entries_.at(index));
  }
  directory_.resize(table_ + 1);
  directory_[table_] = static_cast<std::uint32_t>(position_ + 1);
  entries_.fill(kNoGrain);
  table_used_ = false;
}

SparseHeader StreamWriter::MakeHeader(std::uint64_t directory) const {
  SparseHeader header;
  header.version = 3;
  header.flags = kFlagLineEndTest | kFlagCompressed | kFlagMarkers | (options_.zeroed_grain ? kFlagZeroedGrains : 0);
  header.capacity = options_.sectors;
  header.grain_sectors = kDefaultGrainSectors;
  header.descriptor_offset = kDescriptorSector;
  header.descriptor_size = kDescriptorSectors;
  header.directory = directory;
  header.overhead = kOverhead;
  header.compression = kCompressDeflate;
  return header;
}

Result<> StreamWriter::WriteHead(std::uint64_t directory) {
  std::vector<std::byte> head(kOverhead * kSectorSize);
  const std::string descriptor = PrintDescriptor(options_.descriptor);
  std::ranges::copy(std::as_bytes(std::span(descriptor)), head.begin() + kSectorSize);
  EncodeSparseHeader(MakeHeader(directory), std::span(head).first(kSectorSize));
  if (storage_->is_stream()) return storage_->WriteAt(0, head);
  PLATTER_CHECK(storage_->WriteAt(kSectorSize, std::span(head).subspan(kSectorSize, descriptor.size())));
  PLATTER_CHECK(storage_->Sync());
  return storage_->WriteAt(0, std::span(head).first(kSectorSize));
}

Result<> StreamWriter::WriteHere(std::span<const std::byte> bytes) {
  PLATTER_CHECK(storage_->WriteAt(position_ * kSectorSize, bytes));
  return Advance(bytes.size() / kSectorSize);
}

Result<> StreamWriter::WriteDirectory() {
  directory_.resize(DivideUp(options_.sectors, kTableSpan / kSectorSize));
  const std::uint64_t sectors = DivideUp(directory_.size() * kEntrySize, kSectorSize);
  std::vector<std::byte> bytes(kSectorSize);
  EncodeMarker(Marker::kGrainDirectory, sectors, bytes);
  PLATTER_CHECK(WriteHere(bytes));
  constexpr std::size_t kPiece = 16384;  // entries
  for (std::size_t done = 0; done < directory_.size(); done += kPiece) {
    const auto piece = std::span(directory_).subspan(done, std::min(kPiece, directory_.size() - done));
    bytes.assign(AlignUp<std::size_t>(piece.size() * kEntrySize, kSectorSize), std::byte{0});
    for (std::size_t index = 0; index < piece.size(); ++index) StoreLe(&bytes[index * kEntrySize], piece[index]);
    PLATTER_CHECK(WriteHere(bytes));
  }
  return Done{};
}

Result<> StreamWriter::WriteTrailer(std::uint64_t directory) {
  std::array<std::byte, kTrailerSize> bytes{};
  const auto sector = [&](std::size_t index) { return std::span(bytes).subspan(index * kSectorSize, kSectorSize); };
  EncodeMarker(Marker::kFooter, 1, sector(0));
  EncodeSparseHeader(MakeHeader(directory), sector(1));
  EncodeMarker(Marker::kEndOfStream, 0, sector(2));
  return WriteHere(bytes);
}

Result<> StreamWriter::Finish() {
  if (table_used_) {
    std::vector<std::byte> room(kTableRoom);
    TakeTable(room);
    PLATTER_CHECK(WriteHere(room));
  }
  const std::uint64_t directory = position_ + 1;
  PLATTER_CHECK(WriteDirectory());
  PLATTER_CHECK(WriteTrailer(directory));
  if (!storage_->is_stream()) PLATTER_CHECK(WriteHead(storage_->is_device() ? directory : kDirectoryAtEnd));
  return storage_->Sync();
}

}  // namespace platter::vmdk
