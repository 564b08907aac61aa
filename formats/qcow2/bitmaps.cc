#include "formats/qcow2/bitmaps.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/qcow2/list_reader.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kEntryAlignment = 8;
constexpr std::uint8_t kDirtyTracking = 1;
constexpr std::uint8_t kMinGranularityBits = 9;
constexpr std::uint8_t kMaxGranularityBits = 31;
constexpr std::uint16_t kMaxNameSize = 1023;
constexpr std::uint64_t kTableReserved = ~(kBitmapTableOffsetMask | kBitmapTableAllOnes);

using Entry = BitmapDirectoryEntry;

Error EntryError(ErrorKind kind, std::string what, std::size_t index, std::string_view field, std::uint64_t at,
                 std::uint64_t found, std::string allowed) {
  return Error(kind, std::move(what))
      .At("bitmap directory", fmt::format("entry {} {}", index, field), at)
      .Found(found)
      .Allowed(std::move(allowed));
}

Result<> CheckEntry(RecordView<Entry> view, std::size_t index, std::uint64_t at) {
  constexpr ErrorKind kCorrupt = ErrorKind::kCorrupt;
  const std::uint32_t unknown_flags =
      view.Get<Entry::kFlags>() & ~(kBitmapInUse | kBitmapAuto | kBitmapExtraDataCompatible);
  if (unknown_flags != 0) {
    return EntryError(ErrorKind::kUnsupported, "bitmap has flags that nobody knows", index, "flags",
                      at + Entry::kFlags.offset, view.Get<Entry::kFlags>(), "bits 0 to 2");
  }
  if (view.Get<Entry::kType>() != kDirtyTracking) {
    return EntryError(ErrorKind::kUnsupported, "bitmap is of a type that nobody knows", index, "type",
                      at + Entry::kType.offset, view.Get<Entry::kType>(), "1 (dirty tracking)");
  }
  const std::uint8_t bits = view.Get<Entry::kGranularityBits>();
  if (bits < kMinGranularityBits || bits > kMaxGranularityBits) {
    return EntryError(kCorrupt, "bitmap granularity is impossible", index, "granularity_bits",
                      at + Entry::kGranularityBits.offset, bits, "9 to 31");
  }
  const std::uint16_t name_size = view.Get<Entry::kNameSize>();
  if (name_size == 0 || name_size > kMaxNameSize) {
    return EntryError(kCorrupt, "bitmap name has an impossible length", index, "name_size",
                      at + Entry::kNameSize.offset, name_size, "1 to 1023");
  }
  return Done{};
}

Result<> CheckTable(const BitmapRecord& record, const Header& header, std::size_t index, std::uint64_t at,
                    std::uint64_t file_size) {
  const std::uint64_t bytes = std::uint64_t{record.table_size} * sizeof(std::uint64_t);
  if (IsAligned(record.table_offset, header.cluster_size()) && FitsWithin(record.table_offset, bytes, file_size)) {
    return Done{};
  }
  return EntryError(
      ErrorKind::kCorrupt, "bitmap table lies outside the file or is not aligned to a cluster", index,
      "bitmap_table_offset", at + Entry::kTableOffset.offset, record.table_offset,
      fmt::format("a multiple of {} with {} bytes inside the file's {}", header.cluster_size(), bytes, file_size));
}

Result<BitmapRecord> TakeRecord(ListReader& list, std::size_t index, const Header& header, std::uint64_t file_size) {
  const std::uint64_t at = list.position();
  const auto field = [index](std::string_view name) { return fmt::format("entry {} {}", index, name); };
  const auto fixed = PLATTER_TRY(list.Take(Entry::kSize, field("fixed part")));
  const RecordView<Entry> view(fixed.first<Entry::kSize>());
  PLATTER_CHECK(CheckEntry(view, index, at));
  BitmapRecord record;
  record.table_offset = view.Get<Entry::kTableOffset>();
  record.table_size = view.Get<Entry::kTableSize>();
  record.info.granularity = std::uint64_t{1} << view.Get<Entry::kGranularityBits>();
  record.info.in_use = (view.Get<Entry::kFlags>() & kBitmapInUse) != 0;
  record.info.automatic = (view.Get<Entry::kFlags>() & kBitmapAuto) != 0;
  const std::uint16_t name_size = view.Get<Entry::kNameSize>();
  const std::uint32_t extra_size = view.Get<Entry::kExtraDataSize>();
  PLATTER_CHECK(CheckTable(record, header, index, at, file_size));
  PLATTER_CHECK(list.Skip(extra_size, field("extra data")));
  const auto name = PLATTER_TRY(list.Take(name_size, field("name")));
  record.info.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  PLATTER_CHECK(list.AlignTo(kEntryAlignment, field("padding")));
  return record;
}

// The part of a bitmap that one table entry describes: `inside` bytes into its cluster.
Result<> ReadTableEntry(Storage& storage, const Header& header, std::uint64_t entry_offset, std::uint64_t inside,
                        std::span<std::byte> out) {
  std::array<std::byte, sizeof(std::uint64_t)> bytes;
  PLATTER_CHECK(storage.ReadAt(entry_offset, bytes));
  const auto entry = LoadBe<std::uint64_t>(bytes.data());
  const std::uint64_t host = entry & kBitmapTableOffsetMask;
  const bool sound = (entry & kTableReserved) == 0 && IsAligned(host, header.cluster_size()) &&
                     FitsWithin(host, header.cluster_size(), storage.size()) &&
                     (host == 0 || (entry & kBitmapTableAllOnes) == 0);
  if (!sound) {
    return Error(ErrorKind::kCorrupt, "bitmap table entry is impossible")
        .At("bitmap table", "entry", entry_offset)
        .Found(fmt::format("{:#018x}", entry))
        .Allowed(fmt::format("0, 1 or a cluster inside the file's {} bytes", storage.size()));
  }
  if (host != 0) return storage.ReadAt(host + inside, out);
  std::ranges::fill(out, (entry & kBitmapTableAllOnes) != 0 ? std::byte{0xFF} : std::byte{0});
  return Done{};
}

// Clears the bits of `out` from bit `count` on.
void ClearFrom(std::span<std::byte> out, std::uint64_t count) {
  if (count >= out.size() * 8) return;
  out[count / 8] &= std::byte((1U << count % 8) - 1);
  std::ranges::fill(out.subspan(count / 8 + 1), std::byte{0});
}

}  // namespace

Result<std::vector<BitmapRecord>> ReadBitmapDirectory(Storage& storage, const Header& header, const Limits& limits) {
  std::vector<BitmapRecord> records;
  if (!header.bitmaps) return records;
  const BitmapsPointer& directory = *header.bitmaps;
  if (directory.directory_size > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "bitmap directory is too large")
        .At("bitmaps extension", "bitmap_directory_size")
        .Found(directory.directory_size)
        .Allowed(fmt::format("up to {} bytes", limits.metadata_bytes));
  }
  const std::uint64_t file_size = storage.size();
  ListReader list(storage, "bitmap directory", directory.directory_offset,
                  directory.directory_offset + directory.directory_size);
  for (std::size_t index = 0; index < directory.count; ++index) {
    records.push_back(PLATTER_TRY(TakeRecord(list, index, header, file_size)));
  }
  return records;
}

Result<> ReadBitmapBits(Storage& storage, const Header& header, const BitmapRecord& bitmap, std::uint64_t first_bit,
                        std::span<std::byte> out) {
  if (first_bit % 8 != 0) {
    return Error(ErrorKind::kInvalid, "bitmaps are read from whole bytes on").Found(first_bit);
  }
  const std::uint64_t bits = DivideRoundingUp(header.virtual_size, bitmap.info.granularity);
  const std::uint64_t valid_bits = bits - std::min(bits, first_bit);
  std::uint64_t byte = first_bit / 8;
  auto rest = out.first(std::min<std::uint64_t>(out.size(), DivideRoundingUp<std::uint64_t>(valid_bits, 8)));
  std::ranges::fill(out.subspan(rest.size()), std::byte{0});
  while (!rest.empty()) {
    const std::uint64_t index = byte >> header.cluster_bits;
    const std::uint64_t inside = byte & (header.cluster_size() - 1);
    if (index >= bitmap.table_size) {
      return Error(ErrorKind::kCorrupt, "bitmap table is too small for the disk")
          .At("bitmap directory", "bitmap_table_size of " + bitmap.info.name)
          .Found(bitmap.table_size)
          .Allowed(fmt::format("at least {}", index + 1));
    }
    const auto part = rest.first(std::min<std::uint64_t>(rest.size(), header.cluster_size() - inside));
    const std::uint64_t entry_offset = bitmap.table_offset + index * sizeof(std::uint64_t);
    PLATTER_CHECK(ReadTableEntry(storage, header, entry_offset, inside, part));
    byte += part.size();
    rest = rest.subspan(part.size());
  }
  ClearFrom(out, valid_bits);
  return Done{};
}

}  // namespace platter::qcow2
