#include "formats/qcow2/bitmap_directory.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kEntryAlignment = 8;
constexpr std::uint32_t kMaxTableEntries = 0x8000000;
constexpr std::uint32_t kMinGranularityBits = 9;
constexpr std::uint32_t kMaxGranularityBits = 31;
constexpr std::uint32_t kMaxNameBytes = 1023;
constexpr std::uint32_t kDirtyTracking = 1;

struct Entry {
  CheckedBitmap bitmap;
  std::uint64_t size = 0;  // bytes in the directory
};

Error BrokenDirectory(std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, "Broken bitmap directory").At("bitmap directory", "entry", offset);
}

// The name of the field that breaks a constraint; null when none does.
const char* FindBrokenField(const Header& header, const RecordView<BitmapDirectoryEntry>& view) {
  using Layout = BitmapDirectoryEntry;
  const std::uint64_t table = view.Get<Layout::kTableOffset>();
  if (table == 0 || !IsAligned(table, header.cluster_size())) return "bitmap_table_offset";
  if (const auto entries = view.Get<Layout::kTableSize>(); entries == 0 || entries > kMaxTableEntries) {
    return "bitmap_table_size";
  }
  if ((view.Get<Layout::kFlags>() & ~(kBitmapInUse | kBitmapAuto)) != 0) return "flags";
  if (view.Get<Layout::kType>() != kDirtyTracking) return "type";
  const std::uint32_t granularity = view.Get<Layout::kGranularityBits>();
  if (granularity < kMinGranularityBits || granularity > kMaxGranularityBits) return "granularity_bits";
  if (const auto name = view.Get<Layout::kNameSize>(); name == 0 || name > kMaxNameBytes) return "name_size";
  return nullptr;
}

// A saved bitmap has exactly as many table entries as the disk needs.
Result<> CheckTableSize(const Header& header, const RecordView<BitmapDirectoryEntry>& view, std::uint64_t offset) {
  const std::uint64_t granularity = std::uint64_t{1} << view.Get<BitmapDirectoryEntry::kGranularityBits>();
  const std::uint64_t bytes = DivideRoundingUp<std::uint64_t>(DivideRoundingUp(header.virtual_size, granularity), 8);
  const std::uint64_t entries = DivideRoundingUp(bytes, header.cluster_size());
  if (view.Get<BitmapDirectoryEntry::kTableSize>() == entries) return Done{};
  return Error(ErrorKind::kCorrupt, "bitmap table does not fit the disk's size")
      .At("bitmap directory", "bitmap_table_size", offset + BitmapDirectoryEntry::kTableSize.offset)
      .Found(view.Get<BitmapDirectoryEntry::kTableSize>())
      .Allowed(fmt::format("{}", entries));
}

Result<Entry> ReadEntry(CheckState& state, std::uint64_t offset, std::uint64_t room) {
  if (room < BitmapDirectoryEntry::kSize) return BrokenDirectory(offset);
  const auto fixed = PLATTER_TRY(state.tables.Read(offset, BitmapDirectoryEntry::kSize));
  const RecordView<BitmapDirectoryEntry> view(fixed.first<BitmapDirectoryEntry::kSize>());
  const std::uint64_t name_size = view.Get<BitmapDirectoryEntry::kNameSize>();
  const std::uint64_t extra_size = view.Get<BitmapDirectoryEntry::kExtraDataSize>();
  Entry entry;
  entry.size = AlignUp<std::uint64_t>(BitmapDirectoryEntry::kSize + extra_size + name_size, kEntryAlignment);
  if (entry.size > room) return BrokenDirectory(offset);
  if (extra_size != 0) {
    return Error(ErrorKind::kUnsupported, "Bitmap extra data is not supported")
        .At("bitmap directory", "extra_data_size", offset + BitmapDirectoryEntry::kExtraDataSize.offset)
        .Found(extra_size)
        .Allowed("0");
  }
  if (const char* field = FindBrokenField(state.header, view); field != nullptr) {
    return Error(ErrorKind::kCorrupt, "bitmap doesn't satisfy the constraints").At("bitmap directory", field, offset);
  }
  entry.bitmap.table_offset = view.Get<BitmapDirectoryEntry::kTableOffset>();
  entry.bitmap.table_entries = view.Get<BitmapDirectoryEntry::kTableSize>();
  const bool saved = (view.Get<BitmapDirectoryEntry::kFlags>() & kBitmapInUse) == 0;
  if (saved) PLATTER_CHECK(CheckTableSize(state.header, view, offset));
  const auto name = PLATTER_TRY(state.tables.Read(offset + BitmapDirectoryEntry::kSize, name_size));
  entry.bitmap.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  return entry;
}

}  // namespace

Result<std::vector<CheckedBitmap>> ReadBitmapDirectory(CheckState& state) {
  const BitmapsPointer& pointer = *state.header.bitmaps;
  std::vector<CheckedBitmap> bitmaps;
  std::uint64_t at = 0;
  while (at < pointer.directory_size) {
    const std::uint64_t offset = pointer.directory_offset + at;
    if (bitmaps.size() == pointer.count) return BrokenDirectory(offset);
    Entry entry = PLATTER_TRY(ReadEntry(state, offset, pointer.directory_size - at));
    bitmaps.push_back(std::move(entry.bitmap));
    at += entry.size;
  }
  if (bitmaps.size() != pointer.count) return BrokenDirectory(pointer.directory_offset + at);
  return bitmaps;
}

}  // namespace platter::qcow2
