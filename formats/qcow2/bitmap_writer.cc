#include "formats/qcow2/bitmap_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <span>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint8_t kDirtyTracking = 1;
constexpr std::size_t kMaxNameBytes = 1023;
constexpr std::uint64_t kMinGranularity = std::uint64_t{1} << 9;
constexpr std::uint64_t kMaxGranularity = std::uint64_t{1} << 31;
constexpr std::uint64_t kMaxTableEntries = (std::uint64_t{32} << 20) / sizeof(std::uint64_t);
constexpr std::uint64_t kMaxDirectoryBytes = std::uint64_t{64} << 20;

bool AllAre(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [value](std::byte byte) { return byte == value; });
}

}  // namespace

BitmapWriter::BitmapWriter(const Header& header, Storage& storage, ClusterAllocator& allocator, bool dense)
    : cluster_size_(header.cluster_size()),
      virtual_size_(header.virtual_size),
      storage_(storage),
      allocator_(allocator),
      dense_(dense) {}

Result<> BitmapWriter::CheckBitmap(const BitmapInfo& info) const {
  if (std::ranges::find(names_, info.name) != names_.end()) {
    return Error(ErrorKind::kInvalid, fmt::format("Bitmap already exists: {}", info.name));
  }
  if (info.name.empty() || info.name.size() > kMaxNameBytes) {
    return Error(ErrorKind::kInvalid, "bitmap name has an impossible length")
        .Found(info.name.size())
        .Allowed("1 to 1023");
  }
  if (!std::has_single_bit(info.granularity) || info.granularity < kMinGranularity ||
      info.granularity > kMaxGranularity) {
    return Error(ErrorKind::kInvalid, fmt::format("bitmap '{}' has an impossible granularity", info.name))
        .Found(info.granularity)
        .Allowed("a power of two from 512 to 2147483648");
  }
  const std::uint64_t entry = AlignUp<std::uint64_t>(BitmapDirectoryEntry::kSize + info.name.size(), 8);
  if (names_.size() == kMaxBitmaps || directory_.size() + entry > kMaxDirectoryBytes) {
    return Error(ErrorKind::kLimit, "too many bitmaps for one image");
  }
  return Done{};
}

Result<> BitmapWriter::CopyBitmap(Bitmaps& source, std::size_t index) {
  const BitmapInfo& info = source.bitmaps()[index];
  PLATTER_CHECK(CheckBitmap(info));
  const std::uint64_t bit_count = DivideRoundingUp(virtual_size_, info.granularity);
  const std::uint64_t entries = DivideRoundingUp(DivideRoundingUp<std::uint64_t>(bit_count, 8), cluster_size_);
  if (entries > kMaxTableEntries) {
    return Error(ErrorKind::kLimit, fmt::format("bitmap '{}' is too large for this cluster size", info.name));
  }
  const std::vector<std::byte> table = PLATTER_TRY(CopyBits(source, index, bit_count));
  std::uint64_t table_offset = 0;
  if (entries != 0) {
    table_offset = PLATTER_TRY(allocator_.Allocate(DivideRoundingUp<std::uint64_t>(table.size(), cluster_size_)));
    PLATTER_CHECK(WriteTable(storage_, table_offset, table, dense_));
  }
  AddEntry(info, table_offset, entries);
  return Done{};
}

Result<std::vector<std::byte>> BitmapWriter::CopyBits(Bitmaps& source, std::size_t index, std::uint64_t bit_count) {
  std::vector<std::byte> bits(cluster_size_);
  std::vector<std::byte> table;
  for (std::uint64_t bit = 0; bit < bit_count; bit += cluster_size_ * 8) {
    PLATTER_CHECK(source.ReadBitmap(index, bit, bits));
    std::uint64_t entry = 0;
    if (AllAre(bits, std::byte{0xFF})) {
      entry = kBitmapTableAllOnes;
    } else if (!AllAre(bits, std::byte{0})) {
      entry = PLATTER_TRY(allocator_.Allocate(1));
      PLATTER_CHECK(WriteTable(storage_, entry, bits, dense_));
    }
    table.resize(table.size() + sizeof(entry));
    StoreBe(table.data() + table.size() - sizeof(entry), entry);
  }
  return table;
}

void BitmapWriter::AddEntry(const BitmapInfo& info, std::uint64_t table_offset, std::uint64_t table_entries) {
  const std::size_t at = directory_.size();
  directory_.resize(at + AlignUp<std::size_t>(BitmapDirectoryEntry::kSize + info.name.size(), 8));
  const auto record = std::span(directory_).subspan(at).first<BitmapDirectoryEntry::kSize>();
  RecordEditor<BitmapDirectoryEntry> entry(record);
  entry.Set<BitmapDirectoryEntry::kTableOffset>(table_offset);
  entry.Set<BitmapDirectoryEntry::kTableSize>(static_cast<std::uint32_t>(table_entries));
  entry.Set<BitmapDirectoryEntry::kFlags>(info.automatic ? kBitmapAuto : 0);
  entry.Set<BitmapDirectoryEntry::kType>(kDirtyTracking);
  entry.Set<BitmapDirectoryEntry::kGranularityBits>(static_cast<std::uint8_t>(std::countr_zero(info.granularity)));
  entry.Set<BitmapDirectoryEntry::kNameSize>(static_cast<std::uint16_t>(info.name.size()));
  std::ranges::copy(std::as_bytes(std::span(info.name)),
                    directory_.begin() + static_cast<std::ptrdiff_t>(at + BitmapDirectoryEntry::kSize));
  names_.push_back(info.name);
}

Result<std::optional<BitmapsPointer>> BitmapWriter::Finish() {
  if (names_.empty()) return std::optional<BitmapsPointer>();
  const std::uint64_t clusters = DivideRoundingUp<std::uint64_t>(directory_.size(), cluster_size_);
  const std::uint64_t offset = PLATTER_TRY(allocator_.Allocate(clusters));
  PLATTER_CHECK(WriteTable(storage_, offset, directory_, dense_));
  return std::optional(BitmapsPointer{static_cast<std::uint32_t>(names_.size()), directory_.size(), offset});
}

}  // namespace platter::qcow2
