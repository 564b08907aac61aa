#include "formats/vmdk/sparse_extent.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

constexpr std::uint64_t kDirectoryPiece = 65536;  // host bytes

}  // namespace

SparseExtent::SparseExtent(std::shared_ptr<Storage> storage, std::uint64_t capacity, bool zeroed_grain)
    : storage_(std::move(storage)),
      capacity_(capacity),
      zeroed_grain_(zeroed_grain),
      layout_(SparseLayout::For(capacity)),
      next_sector_(layout_.overhead) {}

Result<> SparseExtent::Start() {
  // Tables that stay empty are never written: what is there has to read as zero.
  if (storage_->is_device()) return storage_->Punch(0, layout_.overhead * kSectorSize);
  if (storage_->size() != 0) PLATTER_CHECK(storage_->Resize(0));
  return storage_->Resize(layout_.overhead * kSectorSize);
}

Result<> SparseExtent::EnterTable(std::uint64_t table) {
  if (table == table_) return Done{};
  PLATTER_CHECK(WriteTable());
  table_ = table;
  return Done{};
}

Result<> SparseExtent::WriteTable() {
  if (!table_used_) return Done{};
  std::array<std::byte, kTableBytes> bytes{};
  for (std::size_t index = 0; index < entries_.size(); ++index)
    StoreLe(&bytes.at(index * kEntrySize), entries_.at(index));
  for (const std::uint64_t first : {layout_.redundant_tables, layout_.first_table}) {
    PLATTER_CHECK(storage_->WriteAt((first + table_ * kTableSectors) * kSectorSize, bytes));
  }
  entries_.fill(kNoGrain);
  table_used_ = false;
  return Done{};
}

Result<std::uint64_t> SparseExtent::PlaceGrains(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t start = next_sector_;
  const std::uint64_t first = offset % kTableSpan / kGrainSize;
  const std::uint64_t count = DivideUp(length, kGrainSize);
  if (start + count * kDefaultGrainSectors > std::numeric_limits<std::uint32_t>::max()) {
    return Error(ErrorKind::kOutOfRange, "a sparse extent cannot hold more than 2 TiB").In(storage_->name());
  }
  for (std::uint64_t index = 0; index < count; ++index) {
    entries_.at(first + index) = static_cast<std::uint32_t>(start + index * kDefaultGrainSectors);
  }
  table_used_ = true;
  next_sector_ += count * kDefaultGrainSectors;
  return start * kSectorSize;
}

Result<> SparseExtent::PlaceData(Batch& batch, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), kTableSpan - offset % kTableSpan));
    PLATTER_CHECK(EnterTable(offset / kTableSpan));
    const std::uint64_t host = PLATTER_TRY(PlaceGrains(offset, part.size()));
    AppendWrite(batch, *storage_, host, part);
    // The disk's last grain may be short, its place is not.
    const std::uint64_t rest = AlignUp<std::uint64_t>(part.size(), kGrainSize) - part.size();
    if (storage_->is_device()) AppendZeros(batch, *storage_, host + part.size(), rest);
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
  return Done{};
}

Result<> SparseExtent::PlaceZeros(Batch& batch, std::uint64_t offset, std::uint64_t length) {
  while (length != 0) {
    const std::uint64_t part = std::min(length, kTableSpan - offset % kTableSpan);
    PLATTER_CHECK(EnterTable(offset / kTableSpan));
    if (zeroed_grain_) {
      const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(offset % kTableSpan / kGrainSize);
      std::fill_n(first, DivideUp(part, kGrainSize), kZeroedGrain);
      table_used_ = true;
    } else {
      const std::uint64_t host = PLATTER_TRY(PlaceGrains(offset, part));
      if (storage_->is_device()) AppendZeros(batch, *storage_, host, AlignUp(part, kGrainSize));
    }
    offset += part;
    length -= part;
  }
  return Done{};
}

Result<> SparseExtent::WriteDirectory(std::uint64_t directory, std::uint64_t first_table) {
  std::vector<std::byte> piece;
  for (std::uint64_t index = 0; index < layout_.tables;) {
    const std::uint64_t count = std::min(layout_.tables - index, kDirectoryPiece / kEntrySize);
    piece.resize(count * kEntrySize);
    for (std::uint64_t at = 0; at < count; ++at) {
      StoreLe(piece.data() + at * kEntrySize, static_cast<std::uint32_t>(first_table + (index + at) * kTableSectors));
    }
    PLATTER_CHECK(storage_->WriteAt(directory * kSectorSize + index * kEntrySize, piece));
    index += count;
  }
  return Done{};
}

Result<> SparseExtent::WriteHeader(const std::string& descriptor) {
  SparseHeader header;
  header.version = zeroed_grain_ ? 2 : 1;
  header.flags = kFlagLineEndTest | kFlagRedundantDirectory | (zeroed_grain_ ? kFlagZeroedGrains : 0);
  header.capacity = capacity_;
  header.grain_sectors = kDefaultGrainSectors;
  header.descriptor_offset = kDescriptorSector;
  header.descriptor_size = kDescriptorSectors;
  header.redundant_directory = layout_.redundant_directory;
  header.directory = layout_.directory;
  header.overhead = layout_.overhead;
  std::array<std::byte, kSectorSize> bytes{};
  EncodeSparseHeader(header, bytes);
  PLATTER_CHECK(storage_->WriteAt(kDescriptorSector * kSectorSize, std::as_bytes(std::span(descriptor))));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, bytes));
  return storage_->Sync();
}

Result<> SparseExtent::Finish(const std::string& descriptor) {
  PLATTER_CHECK(WriteTable());
  PLATTER_CHECK(WriteDirectory(layout_.redundant_directory, layout_.redundant_tables));
  PLATTER_CHECK(WriteDirectory(layout_.directory, layout_.first_table));
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(next_sector_ * kSectorSize));
  return WriteHeader(descriptor);
}

}  // namespace platter::vmdk
