#include <algorithm>
#include <span>

#include "formats/qcow2/layout.h"
#include "tests/qcow2/damaged_image.h"

namespace platter::test {
namespace {

using namespace qcow2;

// Why repairs differ.
constexpr const char* kNoTable = "qemu repairs what cannot be a table: it has bits that no entry has";
constexpr const char* kNotRebuilt = "qemu fails to rebuild a refcount structure with such an entry";
constexpr const char* kFileGrows = "qemu grows the file to wherever the entry points";

constexpr std::uint64_t kFarAway = std::uint64_t{1} << 40;
const std::vector<std::string> kUsual = {"plain", "snapshots", "extended"};
const std::vector<std::string> kWidths = {"refcounts1", "refcounts2",  "refcounts4",  "refcounts8",
                                          "plain",      "refcounts32", "refcounts64", "clusters512"};

// The new value of an entry, from the old one.
using EntryChange = std::function<std::uint64_t(const ImageBytes&, std::uint64_t)>;

// Changes entry `n` of the standard ones.
std::function<void(ImageBytes&)> Entry(std::size_t n, const EntryChange& to) {
  return [=](ImageBytes& image) {
    const std::uint64_t at = image.StandardEntry(n);
    image.Put64(at, to(image, image.U64(at)));
  };
}
std::function<void(ImageBytes&)> EntryXor(std::size_t n, std::uint64_t bits) {
  return Entry(n, [=](const ImageBytes&, std::uint64_t old) { return old ^ bits; });
}
std::function<void(ImageBytes&)> Compressed(const EntryChange& to) {
  return [=](ImageBytes& image) {
    const std::uint64_t at = image.CompressedEntry(0);
    image.Put64(at, to(image, image.U64(at)));
  };
}
std::function<void(ImageBytes&)> L1(const EntryChange& to) {
  return [=](ImageBytes& image) {
    const std::uint64_t at = image.header.l1_table_offset;
    image.Put64(at, to(image, image.U64(at)));
  };
}
std::function<void(ImageBytes&)> RefcountTable(std::size_t index, const EntryChange& to) {
  return [=](ImageBytes& image) {
    const std::uint64_t at = image.header.refcount_table_offset + index * 8;
    image.Put64(at, to(image, image.U64(at)));
  };
}
std::function<void(ImageBytes&)> Header64(std::size_t at, std::uint64_t value) {
  return [=](ImageBytes& image) { image.Put64(at, value); };
}
// Changes the stored refcount of the cluster of standard entry `n`.
std::function<void(ImageBytes&)> Refcount(std::size_t n, std::uint64_t count) {
  return [=](ImageBytes& image) {
    const std::uint64_t host = image.U64(image.StandardEntry(n)) & kOffsetMask;
    image.SetRefcount(host / image.header.cluster_size(), count);
  };
}
std::function<void(ImageBytes&)> FeatureBits(std::uint64_t bits) {
  return [=](ImageBytes& image) {
    image.Put64(HeaderV3::kIncompatibleFeatures.offset, image.header.incompatible_features | bits);
  };
}
std::function<void(ImageBytes&)> Snapshot64(std::size_t field, std::uint64_t value) {
  return [=](ImageBytes& image) { image.Put64(image.header.snapshots_offset + field, value); };
}
std::function<void(ImageBytes&)> Snapshot32(std::size_t field, std::uint32_t value) {
  return [=](ImageBytes& image) { image.Put32(image.header.snapshots_offset + field, value); };
}
std::function<void(ImageBytes&)> Bitmap(const std::function<void(ImageBytes&, std::uint64_t)>& apply) {
  return [=](ImageBytes& image) { apply(image, image.header.bitmaps->directory_offset); };
}
std::function<void(ImageBytes&)> SubclusterBitmap(std::uint64_t value) {
  return [=](ImageBytes& image) { image.Put64(image.StandardEntry(0) + 8, value); };
}

void SnapshotWithoutExtraData(ImageBytes& image) {
  const std::uint64_t entry = image.header.snapshots_offset;
  const std::uint32_t extra = image.U32(entry + SnapshotEntry::kExtraDataSize.offset);
  const std::uint32_t name = image.U32(entry + SnapshotEntry::kIdSize.offset) & 0xFFFF;
  image.Put32(entry + SnapshotEntry::kExtraDataSize.offset, 0);
  image.Put16(entry + SnapshotEntry::kNameSize.offset, static_cast<std::uint16_t>(name + extra));
}

// Of a part of the disk without a table of its own; read as one, the data is flags that contradict the refcounts.
void L1AtData(ImageBytes& image) {
  const std::uint64_t entry = image.U64(image.StandardEntry(2));
  const auto data = std::span(image.bytes).subspan(entry & kOffsetMask, image.header.cluster_size());
  std::ranges::fill(data, std::byte{0xA5});
  image.Put64(image.header.l1_table_offset + std::uint64_t{3} * kL1EntrySize, entry);
}

std::vector<Damage> EntryDamages() {
  return {
      {"entry_dropped", kWidths, Entry(2, [](auto&, std::uint64_t) { return 0; })},
      {"entry_twice",
       {"refcounts2", "plain", "refcounts64", "clusters512", "extended", "refcounts1"},
       Entry(2, [](auto& i, std::uint64_t) { return i.U64(i.StandardEntry(3)); })},
      {"entry_unaligned", {"plain", "extended", "data_file"}, EntryXor(2, 512)},
      {"zero_entry_unaligned", {"plain", "version2", "snapshots"}, EntryXor(2, 512 | kAllZero)},
      {"entry_made_zero", kUsual, EntryXor(2, kAllZero)},
      {"entry_far_away", kUsual, Entry(2, [](auto&, std::uint64_t) { return kCopied | kFarAway; })},
      {"entry_at_end_of_file", kUsual, Entry(2, [](auto& i, std::uint64_t) { return kCopied | i.size(); })},
      {"entry_beyond_everything", kUsual, Entry(2, [](auto&, std::uint64_t) { return kCopied | kOffsetMask; })},
      {"entry_reserved_bits", kUsual, EntryXor(2, std::uint64_t{1} << 57 | 4)},
      {"entry_copied_flag", {"plain", "snapshots", "extended", "data_file"}, EntryXor(2, kCopied)},
      {"entry_at_header", kUsual, Entry(2, [](auto&, std::uint64_t) { return kCopied; })},
      {"entry_at_l1", kUsual, Entry(2, [](auto& i, std::uint64_t) { return kCopied | i.header.l1_table_offset; })},
      {"entry_at_l2", kUsual, Entry(2, [](auto& i, std::uint64_t) { return kCopied | i.FirstL2(); }), {}, true},
      {"entry_at_refcount_block", kUsual,
       Entry(2, [](auto& i, std::uint64_t) { return kCopied | i.FirstRefcountBlock(); })},
      {"entry_made_compressed", {"plain", "data_file"}, EntryXor(2, kCompressed | kCopied)},
      {"compressed_copied", {"plain", "extended"}, Compressed([](auto&, auto old) { return old | kCopied; })},
      {"compressed_far_away", {"plain"}, Compressed([](auto&, auto) { return kCompressed | kFarAway; })},
      {"compressed_too_long", {"plain", "zstd"}, Compressed([](auto&, auto old) {
         return old | (kCompressed - (kCompressed >> 6));
       })},
      {"subclusters_both", {"extended"}, SubclusterBitmap(0x0000000300000003)},
      {"subclusters_of_compressed",
       {"extended"},
       [](ImageBytes& image) { image.Put64(image.CompressedEntry(0) + 8, 3); }},
      {"subclusters_of_nothing", {"extended"}, [](ImageBytes& image) { image.Put64(image.StandardEntry(0), 0); }},
      {"subclusters_unaligned_zero",
       {"extended"},
       [](ImageBytes& image) {
         image.Put64(image.StandardEntry(1), image.U64(image.StandardEntry(1)) + 512);
         image.Put64(image.StandardEntry(1) + 8, std::uint64_t{0xFFFFFFFF} << 32);
       }},
  };
}

std::vector<Damage> TableDamages() {
  return {
      {"l1_dropped", kUsual, L1([](auto&, auto) { return 0; })},
      {"l1_copied_flag", {"plain", "snapshots", "extended", "version2"}, L1([](auto&, auto old) {
         return old ^ kCopied;
       })},
      {"l1_reserved_bits", kUsual, L1([](auto&, auto old) { return old | (std::uint64_t{1} << 58 | 2); })},
      {"l1_unaligned", {"plain", "clusters4k"}, L1([](auto&, auto old) { return old + 512; })},
      {"l1_far_away", kUsual, L1([](auto&, auto) { return kCopied | kFarAway; })},
      {"l1_at_header", {"plain"}, L1([](auto&, auto) { return kCopied; }), kNoTable},
      {"l1_at_refcount_table", {"plain"}, L1([](auto& i, auto) { return kCopied | i.header.refcount_table_offset; })},
      {"l1_at_itself", {"plain"}, L1([](auto& i, auto) { return kCopied | i.header.l1_table_offset; })},
      {"l1_twice",
       {"clusters512", "clusters4k"},
       [](ImageBytes& i) { i.Put64(i.header.l1_table_offset + 8, i.U64(i.header.l1_table_offset)); }},
      {"l1_at_data", {"clusters4k"}, L1AtData, kNoTable},
      {"l1_table_outside", {"plain"}, Header64(HeaderV2::kL1TableOffset.offset, kFarAway)},
      {"l1_table_unaligned", {"plain"}, Header64(HeaderV2::kL1TableOffset.offset, 512)},
      {"l1_too_small", {"plain"}, [](ImageBytes& i) { i.Put32(HeaderV2::kL1Size.offset, 0); }},
      {"l1_too_long", {"plain", "extended"}, [](ImageBytes& i) { i.Put32(HeaderV2::kL1Size.offset, 8193); }},
      {"truncated",
       {"plain", "version2"},
       [](ImageBytes& i) { i.bytes.resize(i.size() - 3 * i.header.cluster_size()); }},
      {"grown", {"plain"}, [](ImageBytes& i) { i.bytes.resize(i.size() + i.header.cluster_size() + 77); }},
      {"luks_header_missing",
       {"plain"},
       [](ImageBytes& i) { i.Put32(HeaderV2::kCryptMethod.offset, static_cast<std::uint32_t>(CryptMethod::kLuks)); }},
      {"dirty", {"plain", "lazy"}, FeatureBits(kIncompatDirty)},
      {"marked_corrupt", {"plain"}, FeatureBits(kIncompatCorrupt)},
      {"dirty_with_leak",
       {"lazy"},
       [](ImageBytes& i) {
         FeatureBits(kIncompatDirty)(i);
         i.SetRefcount(i.size() / i.header.cluster_size() + 2, 1);
       }},
      {"dirty_with_lost_counts",
       {"lazy"},
       [](ImageBytes& i) {
         FeatureBits(kIncompatDirty)(i);
         Refcount(1, 0)(i);
         Refcount(2, 0)(i);
       }},
  };
}

std::vector<Damage> RefcountDamages() {
  return {
      {"refcount_too_low", kWidths, Refcount(1, 0)},
      {"refcount_too_high", {"refcounts2", "refcounts8", "plain", "refcounts32", "refcounts64"}, Refcount(1, 3)},
      {"refcount_shared_too_low", {"snapshots", "snapshots_version2"}, Refcount(4, 1)},
      {"refcount_of_nothing", kWidths,
       [](ImageBytes& i) {
         i.SetRefcount(i.size() / i.header.cluster_size() % (i.header.cluster_size() * 8 / i.header.refcount_bits()),
                       1);
       }},
      {"block_reserved_bits", {"plain"}, RefcountTable(0, [](auto&, auto old) { return old | 2; }), kNotRebuilt},
      {"block_unaligned", {"plain"}, RefcountTable(0, [](auto&, auto old) { return old + 512; }), kNotRebuilt},
      {"block_outside", {"plain", "snapshots"}, RefcountTable(0, [](auto&, auto) { return kFarAway; }), kFileGrows},
      {"spare_block_outside", {"plain"}, RefcountTable(3, [](auto&, auto) { return kFarAway; }), kFileGrows},
      {"block_beyond_everything", {"plain"}, RefcountTable(0, [](auto&, auto) { return ~std::uint64_t{0xFFFF}; })},
      {"block_missing", kUsual, RefcountTable(0, [](auto&, auto) { return 0; })},
      {"block_twice", {"plain"}, RefcountTable(1, [](auto& i, auto) { return i.FirstRefcountBlock(); })},
      {"block_is_l1", {"plain"}, RefcountTable(0, [](auto& i, auto) { return i.header.l1_table_offset; })},
      {"block_is_l2", {"plain"}, RefcountTable(0, [](auto& i, auto) { return i.FirstL2(); })},
      {"table_outside", {"plain"}, Header64(HeaderV2::kRefcountTableOffset.offset, kFarAway)},
      {"table_missing", {"plain"}, [](ImageBytes& i) { i.Put32(HeaderV2::kRefcountTableClusters.offset, 0); }},
      {"table_too_long", {"plain"}, [](ImageBytes& i) { i.Put32(HeaderV2::kRefcountTableClusters.offset, 2); }},
      {"table_unaligned", {"plain"}, Header64(HeaderV2::kRefcountTableOffset.offset, 512)},
  };
}

std::vector<Damage> SnapshotDamages() {
  return {
      {"snapshot_l1_unaligned", {"snapshots", "snapshots_version2"}, Snapshot64(0, 0x50200)},
      {"snapshot_l1_outside", {"snapshots"}, Snapshot64(0, kFarAway)},
      {"snapshot_l1_too_large", {"snapshots"}, Snapshot32(SnapshotEntry::kL1Size.offset, 0x500000)},
      {"snapshot_l1_is_active",
       {"snapshots"},
       [](ImageBytes& i) { i.Put64(i.header.snapshots_offset, i.header.l1_table_offset); }},
      {"snapshot_forgotten", {"snapshots"}, [](ImageBytes& i) { i.Put32(HeaderV2::kSnapshotCount.offset, 1); }},
      {"snapshot_too_many", {"snapshots"}, [](ImageBytes& i) { i.Put32(HeaderV2::kSnapshotCount.offset, 3); }},
      {"snapshot_extra_data_too_long", {"snapshots"}, Snapshot32(SnapshotEntry::kExtraDataSize.offset, 1200)},
      {"snapshot_without_extra_data", {"snapshots", "snapshots_version2"}, SnapshotWithoutExtraData},
      {"snapshot_table_outside", {"snapshots"}, Header64(HeaderV2::kSnapshotsOffset.offset, kFarAway)},
      {"snapshot_table_unaligned", {"snapshots"}, Header64(HeaderV2::kSnapshotsOffset.offset, 512)},
      {"snapshot_l1_entry", {"snapshots"}, [](ImageBytes& i) { i.Put64(i.U64(i.header.snapshots_offset), kFarAway); }},
  };
}

std::vector<Damage> BitmapDamages() {
  const std::vector<std::string> bitmaps = {"bitmaps"};
  return {
      {"bitmap_table_outside", bitmaps, Bitmap([](auto& i, auto at) { i.Put64(at, kFarAway); })},
      {"bitmap_table_unaligned", bitmaps, Bitmap([](auto& i, auto at) { i.Put64(at, i.U64(at) + 512); })},
      {"bitmap_table_size", bitmaps, Bitmap([](auto& i, auto at) { i.Put32(at + 8, 2); })},
      {"bitmap_flags", bitmaps, Bitmap([](auto& i, auto at) { i.Put32(at + 12, 8); })},
      {"bitmap_name", bitmaps, Bitmap([](auto& i, auto at) { i.Put16(at + 18, 500); })},
      {"bitmap_entry_outside", bitmaps, Bitmap([](auto& i, auto at) { i.Put64(i.U64(at), kFarAway); })},
      {"bitmap_entry_shared", bitmaps, Bitmap([](auto& i, auto at) { i.Put64(i.U64(at), i.header.l1_table_offset); })},
      {"bitmap_entry_reserved", bitmaps, Bitmap([](auto& i, auto at) { i.Put64(i.U64(at), 2); })},
      {"bitmap_in_use_entry_reserved", bitmaps, Bitmap([](auto& i, auto at) {
         i.Put64(i.U64(at), 2);
         i.Put32(at + 12, 1);
       })},
      {"bitmaps_of_stranger", bitmaps, Header64(HeaderV3::kAutoclearFeatures.offset, 0)},
  };
}

}  // namespace

const std::vector<Damage>& Damages() {
  static const std::vector<Damage> damages = [] {
    std::vector<Damage> all;
    for (auto part : {EntryDamages(), TableDamages(), RefcountDamages(), SnapshotDamages(), BitmapDamages()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return damages;
}

}  // namespace platter::test
