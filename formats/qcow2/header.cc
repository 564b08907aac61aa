#include "formats/qcow2/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

struct NamedFeature {
  std::uint8_t type;
  std::uint8_t bit;
  std::string_view name;
};
// As qemu writes the table (section "Feature name table").
constexpr std::array<NamedFeature, 8> kFeatureNames = {{
    {0, 0, "dirty bit"},
    {0, 1, "corrupt bit"},
    {0, 2, "external data file"},
    {0, 3, "compression type"},
    {0, 4, "extended L2 entries"},
    {1, 0, "lazy refcounts"},
    {2, 0, "bitmaps"},
    {2, 1, "raw external data"},
}};

constexpr std::size_t kExtensionAlignment = 8;
constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();

Error HeaderError(ErrorKind kind, std::string what, std::string field, std::size_t offset) {
  return Error(kind, std::move(what)).At("qcow2 header", std::move(field), offset);
}

Error Corrupt(std::string what, std::string field, std::size_t offset) {
  return HeaderError(ErrorKind::kCorrupt, std::move(what), std::move(field), offset);
}

// A table of `bytes` at `offset`: aligned to clusters and inside the file; a check tells itself what lies outside.
Result<> CheckTable(const Header& header, std::uint64_t offset, std::uint64_t bytes, std::uint64_t file_size,
                    Tolerance tolerance, std::string_view table, std::size_t field_offset) {
  const auto complain = [&](std::string_view problem) {
    return Corrupt(fmt::format("{} {}", table, problem), fmt::format("{} offset", table), field_offset)
        .Found(fmt::format("{:#x} for {} bytes", offset, bytes))
        .Allowed(fmt::format("a multiple of {} inside the file's {} bytes", header.cluster_size(), file_size));
  };
  if (!IsAligned(offset, header.cluster_size())) return complain("is not aligned to a cluster");
  const std::uint64_t end = tolerance == Tolerance::kCheck ? kLargestFile : file_size;
  if (!FitsWithin(offset, bytes, end)) return complain("lies outside the file");
  return Done{};
}

class Parser {
 public:
  Parser(std::span<const std::byte> head, std::uint64_t file_size, Tolerance tolerance)
      : head_(head), file_size_(file_size), tolerance_(tolerance) {}

  Result<Header> Parse() {
    PLATTER_CHECK(ParseFixedPart());
    if (header_.version == 3) PLATTER_CHECK(ParseVersion3());
    PLATTER_CHECK(ParseExtensions());
    PLATTER_CHECK(CheckFeatures());
    PLATTER_CHECK(ParseBackingName());
    PLATTER_CHECK(CheckTables());
    return std::move(header_);
  }

 private:
  Result<> ParseFixedPart() {
    if (head_.size() < HeaderV2::kSize) {
      return Corrupt("file ends inside the header", "whole header", 0).Found(head_.size()).Allowed("at least 72 bytes");
    }
    const RecordView<HeaderV2> view(head_.first<HeaderV2::kSize>());
    header_.version = view.Get<HeaderV2::kVersion>();
    backing_offset_ = view.Get<HeaderV2::kBackingFileOffset>();
    backing_size_ = view.Get<HeaderV2::kBackingFileSize>();
    header_.cluster_bits = view.Get<HeaderV2::kClusterBits>();
    header_.virtual_size = view.Get<HeaderV2::kVirtualSize>();
    const std::uint32_t crypt_method = view.Get<HeaderV2::kCryptMethod>();
    header_.l1_size = view.Get<HeaderV2::kL1Size>();
    header_.l1_table_offset = view.Get<HeaderV2::kL1TableOffset>();
    header_.refcount_table_offset = view.Get<HeaderV2::kRefcountTableOffset>();
    header_.refcount_table_clusters = view.Get<HeaderV2::kRefcountTableClusters>();
    header_.snapshot_count = view.Get<HeaderV2::kSnapshotCount>();
    header_.snapshots_offset = view.Get<HeaderV2::kSnapshotsOffset>();
    header_.header_length = HeaderV2::kSize;
    header_.feature_names = false;

    if (header_.cluster_bits < kMinClusterBits || header_.cluster_bits > kMaxClusterBits) {
      return Corrupt("unsupported cluster size", "cluster_bits", HeaderV2::kClusterBits.offset)
          .Found(header_.cluster_bits)
          .Allowed("9 to 21");
    }
    if (crypt_method > static_cast<std::uint32_t>(CryptMethod::kLuks)) {
      return Corrupt("unknown encryption method", "crypt_method", HeaderV2::kCryptMethod.offset)
          .Found(crypt_method)
          .Allowed("0 (none), 1 (AES), 2 (LUKS)");
    }
    header_.crypt_method = static_cast<CryptMethod>(crypt_method);
    if (header_.virtual_size > kMaxVirtualSize) {
      return Corrupt("disk is too large", "size", HeaderV2::kVirtualSize.offset)
          .Found(header_.virtual_size)
          .Allowed("up to 2^62 bytes");
    }
    if (head_.size() > header_.cluster_size()) head_ = head_.first(header_.cluster_size());
    return Done{};
  }

  Result<> ParseVersion3() {
    if (head_.size() < HeaderV3::kSize) {
      return Corrupt("file ends inside the header", "whole header", 0)
          .Found(head_.size())
          .Allowed("at least 104 bytes");
    }
    const RecordView<HeaderV3> view(head_.first<HeaderV3::kSize>());
    header_.incompatible_features = view.Get<HeaderV3::kIncompatibleFeatures>();
    header_.compatible_features = view.Get<HeaderV3::kCompatibleFeatures>();
    header_.autoclear_features = view.Get<HeaderV3::kAutoclearFeatures>();
    header_.refcount_order = view.Get<HeaderV3::kRefcountOrder>();
    header_.header_length = view.Get<HeaderV3::kHeaderLength>();
    if (header_.header_length < HeaderV3::kSize || header_.header_length > header_.cluster_size()) {
      return Corrupt("header length is impossible", "header_length", HeaderV3::kHeaderLength.offset)
          .Found(header_.header_length)
          .Allowed(fmt::format("104 to {}", header_.cluster_size()));
    }
    if (header_.refcount_order > kMaxRefcountOrder) {
      return Corrupt("refcounts are wider than 64 bits", "refcount_order", HeaderV3::kRefcountOrder.offset)
          .Found(header_.refcount_order)
          .Allowed("0 to 6");
    }
    return ParseCompressionType();
  }

  Result<> ParseCompressionType() {
    constexpr std::size_t kOffset = HeaderV3Extended::kCompressionType.offset;
    std::uint8_t type = 0;
    if (header_.header_length > kOffset && head_.size() > kOffset) type = std::to_integer<std::uint8_t>(head_[kOffset]);
    if ((type != 0) != header_.has(kIncompatCompressionType)) {
      return Corrupt("compression type and its feature bit contradict each other", "compression_type", kOffset)
          .Found(type)
          .Allowed("zero exactly when incompatible feature bit 3 is clear");
    }
    if (type > static_cast<std::uint8_t>(Compression::kZstd)) {
      return HeaderError(ErrorKind::kUnsupported, "unknown compression type", "compression_type", kOffset)
          .Found(type)
          .Allowed("0 (zlib), 1 (zstd)");
    }
    header_.compression = static_cast<Compression>(type);
    return Done{};
  }

  Result<> ParseExtensions() {
    std::size_t at = header_.header_length;
    const std::size_t end =
        backing_offset_ == 0 ? head_.size() : std::min<std::uint64_t>(backing_offset_, head_.size());
    while (at < end && end - at >= ExtensionHeader::kSize) {
      const RecordView<ExtensionHeader> view(head_.subspan(at).first<ExtensionHeader::kSize>());
      const std::uint32_t type = view.Get<ExtensionHeader::kType>();
      const std::uint32_t length = view.Get<ExtensionHeader::kLength>();
      at += ExtensionHeader::kSize;
      if (type == kExtensionEnd) return Done{};
      if (length > end - at) {
        return Corrupt("header extension reaches past the header's cluster", "extension length", at - 4)
            .Found(length)
            .Allowed(fmt::format("up to {}", end - at));
      }
      PLATTER_CHECK(TakeExtension(type, head_.subspan(at, length), at));
      at += AlignUp<std::size_t>(length, kExtensionAlignment);
    }
    return Done{};
  }

  Result<> TakeExtension(std::uint32_t type, std::span<const std::byte> data, std::size_t at) {
    const std::string text(reinterpret_cast<const char*>(data.data()), data.size());
    switch (type) {
      case kExtensionBackingFormat:
        if (data.size() > kMaxBackingFormatBytes) {
          return Corrupt("backing format name is too long", "extension length", at - 4)
              .Found(data.size())
              .Allowed("up to 15 bytes");
        }
        header_.backing_format = text.substr(0, text.find('\0'));
        return Done{};
      case kExtensionDataFile:
        header_.data_file = text;
        return Done{};
      case kExtensionFeatureNames:
        feature_names_ = data;
        header_.feature_names = true;
        return Done{};
      case kExtensionBitmaps:
        return TakeBitmaps(data, at);
      case kExtensionLuks:
        return TakeLuks(data, at);
      default:
        if (header_.unknown_extensions.size() == kMaxUnknownExtensions) {
          return HeaderError(ErrorKind::kLimit, "too many unknown header extensions", "extension type", at - 8)
              .Allowed(fmt::format("up to {}", kMaxUnknownExtensions));
        }
        header_.unknown_extensions.push_back({type, {data.begin(), data.end()}});
        return Done{};
    }
  }

  Result<> TakeBitmaps(std::span<const std::byte> data, std::size_t at) {
    if (data.size() != BitmapsExtension::kSize) {
      return Corrupt("bitmaps extension has the wrong length", "extension length", at - 4)
          .Found(data.size())
          .Allowed("24");
    }
    if ((header_.autoclear_features & kAutoclearBitmaps) == 0)
      return Done{};  // left by a program that knows no bitmaps
    const RecordView<BitmapsExtension> view(data.first<BitmapsExtension::kSize>());
    const BitmapsPointer pointer{view.Get<BitmapsExtension::kCount>(), view.Get<BitmapsExtension::kDirectorySize>(),
                                 view.Get<BitmapsExtension::kDirectoryOffset>()};
    if (pointer.count == 0 || pointer.count > kMaxBitmaps) {
      return Corrupt("number of bitmaps is impossible", "nb_bitmaps", at).Found(pointer.count).Allowed("1 to 65535");
    }
    PLATTER_CHECK(CheckTable(header_, pointer.directory_offset, pointer.directory_size, file_size_, tolerance_,
                             "bitmap directory", at + BitmapsExtension::kDirectoryOffset.offset));
    header_.bitmaps = pointer;
    return Done{};
  }

  Result<> TakeLuks(std::span<const std::byte> data, std::size_t at) {
    if (data.size() != 16) {
      return Corrupt("encryption header extension has the wrong length", "extension length", at - 4)
          .Found(data.size())
          .Allowed("16");
    }
    header_.luks_header.emplace(LoadBe<std::uint64_t>(data.data()), LoadBe<std::uint64_t>(data.data() + 8));
    return Done{};
  }

  // The names that the image itself gives to the incompatible bits in `bits`.
  std::string NameFeatures(std::uint64_t bits) const {
    std::string names;
    for (std::uint32_t bit = 0; bit < 64; ++bit) {
      if ((bits >> bit & 1) == 0) continue;
      std::string name = fmt::format("bit {}", bit);
      for (std::size_t at = 0; at + FeatureName::kSize <= feature_names_.size(); at += FeatureName::kSize) {
        const auto row = feature_names_.subspan(at, FeatureName::kSize);
        if (row[0] != std::byte{0} || row[1] != std::byte(bit)) continue;
        const char* text = reinterpret_cast<const char*>(row.data()) + FeatureName::kNameOffset;
        name = std::string(text, strnlen(text, FeatureName::kNameSize));
      }
      names += names.empty() ? name : ", " + name;
    }
    return names;
  }

  Result<> CheckFeatures() {
    constexpr std::size_t kOffset = HeaderV3::kIncompatibleFeatures.offset;
    const std::uint64_t unknown = header_.incompatible_features & ~kIncompatKnown;
    if (unknown != 0) {
      return HeaderError(ErrorKind::kUnsupported,
                         fmt::format("Unsupported qcow2 feature(s): {}", NameFeatures(unknown)),
                         "incompatible_features", kOffset)
          .Found(fmt::format("{:#x}", header_.incompatible_features))
          .Allowed("bits 0 to 4");
    }
    if (header_.extended_l2() && header_.cluster_bits < kMinExtendedL2ClusterBits) {
      return Corrupt("extended L2 entries need clusters of at least 16 KiB", "cluster_bits",
                     HeaderV2::kClusterBits.offset)
          .Found(header_.cluster_bits)
          .Allowed("14 to 21");
    }
    if (!header_.has_data_file()) header_.autoclear_features &= ~kAutoclearRawDataFile;
    return Done{};
  }

  Result<> ParseBackingName() {
    if (backing_offset_ == 0) return Done{};
    const std::uint64_t cluster = header_.cluster_size();
    if (backing_size_ > kMaxBackingNameBytes || !FitsWithin(backing_offset_, backing_size_, cluster)) {
      return Corrupt("backing file name lies outside the first cluster", "backing_file_offset",
                     HeaderV2::kBackingFileOffset.offset)
          .Found(fmt::format("{} bytes at {}", backing_size_, backing_offset_))
          .Allowed(fmt::format("up to 1023 bytes, ending at {} or before", cluster));
    }
    if (!FitsWithin(backing_offset_, backing_size_, head_.size())) {
      return Corrupt("file ends inside the backing file name", "backing_file_offset",
                     HeaderV2::kBackingFileOffset.offset)
          .Found(backing_offset_);
    }
    const auto name = head_.subspan(backing_offset_, backing_size_);
    header_.backing_file.assign(reinterpret_cast<const char*>(name.data()), name.size());
    // To qemu it ends with its first zero byte.
    header_.backing_file.resize(std::min(header_.backing_file.find('\0'), name.size()));
    return Done{};
  }

  Result<> CheckTables() {
    const std::uint64_t l1_bytes = std::uint64_t{header_.l1_size} * kL1EntrySize;
    if (l1_bytes > kMaxL1Bytes) {
      return Corrupt("Active L1 table too large", "l1_size", HeaderV2::kL1Size.offset)
          .Found(header_.l1_size)
          .Allowed("up to 4194304 entries");
    }
    if (header_.l1_size < header_.l1_entries_for(header_.virtual_size)) {
      return Corrupt("L1 table is too small", "l1_size", HeaderV2::kL1Size.offset)
          .Found(header_.l1_size)
          .Allowed(fmt::format("at least {} for the disk's size", header_.l1_entries_for(header_.virtual_size)));
    }
    PLATTER_CHECK(CheckTable(header_, header_.l1_table_offset, l1_bytes, file_size_, tolerance_, "L1 table",
                             HeaderV2::kL1TableOffset.offset));
    PLATTER_CHECK(CheckRefcountTable());
    if (header_.snapshot_count > kMaxSnapshots) {
      return Corrupt("too many snapshots", "nb_snapshots", HeaderV2::kSnapshotCount.offset)
          .Found(header_.snapshot_count)
          .Allowed("up to 65536");
    }
    if (header_.snapshot_count == 0) return Done{};
    return CheckTable(header_, header_.snapshots_offset, header_.snapshot_count * SnapshotEntry::kSize, file_size_,
                      tolerance_, "snapshot table", HeaderV2::kSnapshotsOffset.offset);
  }

  Result<> CheckRefcountTable() {
    const std::uint64_t bytes = std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits;
    if (bytes > kMaxRefcountTableBytes) {
      return Corrupt("Image does not contain a reference count table of a possible size", "refcount_table_clusters",
                     HeaderV2::kRefcountTableClusters.offset)
          .Found(header_.refcount_table_clusters)
          .Allowed(fmt::format("1 to {}", kMaxRefcountTableBytes >> header_.cluster_bits));
    }
    if (tolerance_ == Tolerance::kCheck) return Done{};
    if (bytes == 0) {
      return Corrupt("Image does not contain a reference count table", "refcount_table_clusters",
                     HeaderV2::kRefcountTableClusters.offset)
          .Found(0)
          .Try("platter check -r all rebuilds it");
    }
    return CheckTable(header_, header_.refcount_table_offset, bytes, file_size_, tolerance_, "refcount table",
                      HeaderV2::kRefcountTableOffset.offset);
  }

  std::span<const std::byte> head_;
  std::uint64_t file_size_;
  Tolerance tolerance_;
  Header header_;
  std::uint64_t backing_offset_ = 0;
  std::uint32_t backing_size_ = 0;
  std::span<const std::byte> feature_names_;
};

// Where the extensions end, or the next one's header, as far as `head` shows. Requires: head holds a HeaderV2.
std::uint64_t EndOfExtensions(std::span<const std::byte> head, std::uint32_t version) {
  std::uint64_t at = HeaderV2::kSize;
  if (version == 3) {
    if (head.size() < HeaderV3::kSize) return HeaderV3::kSize;
    at = std::max<std::uint64_t>(HeaderV3::kHeaderLength.Decode(head.data()), HeaderV3::kSize);
  }
  const auto backing = HeaderV2::kBackingFileOffset.Decode(head.data());
  if (backing != 0 && at >= backing) return at;
  while (FitsWithin(at, ExtensionHeader::kSize, head.size())) {
    const RecordView<ExtensionHeader> view(head.subspan(at).first<ExtensionHeader::kSize>());
    at += ExtensionHeader::kSize;
    if (view.Get<ExtensionHeader::kType>() == kExtensionEnd) return at;
    at += AlignUp<std::uint64_t>(view.Get<ExtensionHeader::kLength>(), kExtensionAlignment);
  }
  return at + ExtensionHeader::kSize;
}

// Where the backing file's name ends; 0 without one.
std::uint64_t EndOfName(std::span<const std::byte> head) {
  const auto offset = HeaderV2::kBackingFileOffset.Decode(head.data());
  const auto length = HeaderV2::kBackingFileSize.Decode(head.data());
  return offset == 0 ? 0 : CheckedAdd(offset, std::uint64_t{length}).value_or(UINT64_MAX);
}

void AppendExtension(std::vector<std::byte>& out, std::uint32_t type, std::span<const std::byte> data) {
  std::array<std::byte, ExtensionHeader::kSize> head{};
  RecordEditor<ExtensionHeader> editor(head);
  editor.Set<ExtensionHeader::kType>(type);
  editor.Set<ExtensionHeader::kLength>(static_cast<std::uint32_t>(data.size()));
  out.insert(out.end(), head.begin(), head.end());
  out.insert(out.end(), data.begin(), data.end());
  out.resize(AlignUp<std::size_t>(out.size(), kExtensionAlignment));
}

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> SerializeFeatureNames() {
  std::vector<std::byte> table(kFeatureNames.size() * FeatureName::kSize);
  for (std::size_t row = 0; row < kFeatureNames.size(); ++row) {
    const NamedFeature& feature = kFeatureNames[row];
    std::byte* to = table.data() + row * FeatureName::kSize;
    to[0] = std::byte{feature.type};
    to[1] = std::byte{feature.bit};
    std::memcpy(to + FeatureName::kNameOffset, feature.name.data(), feature.name.size());
  }
  return table;
}

void AppendExtensions(const Header& header, std::vector<std::byte>& out) {
  if (!header.backing_format.empty()) AppendExtension(out, kExtensionBackingFormat, BytesOf(header.backing_format));
  if (header.data_file) AppendExtension(out, kExtensionDataFile, BytesOf(*header.data_file));
  if (header.luks_header) {
    std::array<std::byte, 16> pointer{};
    StoreBe(pointer.data(), header.luks_header->first);
    StoreBe(pointer.data() + 8, header.luks_header->second);
    AppendExtension(out, kExtensionLuks, pointer);
  }
  if (header.feature_names && header.version >= 3)
    AppendExtension(out, kExtensionFeatureNames, SerializeFeatureNames());
  if (header.bitmaps) {
    std::array<std::byte, BitmapsExtension::kSize> pointer{};
    RecordEditor<BitmapsExtension> editor(pointer);
    editor.Set<BitmapsExtension::kCount>(header.bitmaps->count);
    editor.Set<BitmapsExtension::kDirectorySize>(header.bitmaps->directory_size);
    editor.Set<BitmapsExtension::kDirectoryOffset>(header.bitmaps->directory_offset);
    AppendExtension(out, kExtensionBitmaps, pointer);
  }
  for (const UnknownExtension& unknown : header.unknown_extensions) AppendExtension(out, unknown.type, unknown.data);
  AppendExtension(out, kExtensionEnd, {});
}

void WriteFixedPart(const Header& header, std::uint64_t backing_offset, std::span<std::byte> out) {
  RecordEditor<HeaderV2> editor(out.first<HeaderV2::kSize>());
  editor.Set<HeaderV2::kMagic>(kMagic);
  editor.Set<HeaderV2::kVersion>(header.version);
  editor.Set<HeaderV2::kBackingFileOffset>(backing_offset);
  editor.Set<HeaderV2::kBackingFileSize>(static_cast<std::uint32_t>(header.backing_file.size()));
  editor.Set<HeaderV2::kClusterBits>(header.cluster_bits);
  editor.Set<HeaderV2::kVirtualSize>(header.virtual_size);
  editor.Set<HeaderV2::kCryptMethod>(static_cast<std::uint32_t>(header.crypt_method));
  editor.Set<HeaderV2::kL1Size>(header.l1_size);
  editor.Set<HeaderV2::kL1TableOffset>(header.l1_table_offset);
  editor.Set<HeaderV2::kRefcountTableOffset>(header.refcount_table_offset);
  editor.Set<HeaderV2::kRefcountTableClusters>(header.refcount_table_clusters);
  editor.Set<HeaderV2::kSnapshotCount>(header.snapshot_count);
  editor.Set<HeaderV2::kSnapshotsOffset>(header.snapshots_offset);
  if (header.version < 3) return;
  RecordEditor<HeaderV3> editor3(out.first<HeaderV3::kSize>());
  editor3.Set<HeaderV3::kIncompatibleFeatures>(header.incompatible_features);
  editor3.Set<HeaderV3::kCompatibleFeatures>(header.compatible_features);
  editor3.Set<HeaderV3::kAutoclearFeatures>(header.autoclear_features);
  editor3.Set<HeaderV3::kRefcountOrder>(header.refcount_order);
  editor3.Set<HeaderV3::kHeaderLength>(header.header_length);
  if (header.header_length > HeaderV3Extended::kCompressionType.offset) {
    out[HeaderV3Extended::kCompressionType.offset] = std::byte{static_cast<std::uint8_t>(header.compression)};
  }
}

}  // namespace

std::uint64_t Header::l1_entries_for(std::uint64_t bytes) const noexcept {
  return DivideRoundingUp(bytes, l2_coverage());
}

CompressedSpot DecodeCompressed(const Header& header, std::uint64_t l2_entry) noexcept {
  const std::uint32_t bits = header.compressed_offset_bits();
  const std::uint64_t offset = l2_entry & ((std::uint64_t{1} << bits) - 1);
  const std::uint64_t extra_sectors = (l2_entry & (kCompressed - 1)) >> bits;
  return {offset, (extra_sectors + 1) * kCompressedSector - offset % kCompressedSector};
}

std::optional<Packing> PackingOf(const Header& header) noexcept {
  constexpr std::uint64_t kSmallest = 8 * kCompressedSector;
  if (header.compression == Compression::kZstd) return Packing{Codec::kZstd, header.cluster_size()};
  if (header.cluster_size() < kSmallest) return std::nullopt;
  return Packing{Codec::kDeflate, header.cluster_size()};
}

std::uint64_t EncodeCompressed(const Header& header, std::uint64_t offset, std::uint64_t length) noexcept {
  const std::uint64_t extra_sectors = (offset + length - 1) / kCompressedSector - offset / kCompressedSector;
  return kCompressed | extra_sectors << header.compressed_offset_bits() | offset;
}

Result<std::uint64_t> HeaderBytesNeeded(std::span<const std::byte> head) {
  if (head.size() < 8 || LoadBe<std::uint32_t>(head.data()) != kMagic) {
    return Error(ErrorKind::kNotThisFormat, "Image is not in qcow2 format");
  }
  const auto version = LoadBe<std::uint32_t>(head.data() + HeaderV2::kVersion.offset);
  if (version == 1) return Error(ErrorKind::kNotThisFormat, "this is a qcow image of version 1");
  if (version != 2 && version != 3) {
    return HeaderError(ErrorKind::kUnsupported, "Unsupported qcow2 version", "version", HeaderV2::kVersion.offset)
        .Found(version)
        .Allowed("2, 3");
  }
  if (head.size() < HeaderV2::kSize) {
    return Corrupt("file ends inside the header", "whole header", 0).Found(head.size()).Allowed("at least 72 bytes");
  }
  const auto bits = LoadBe<std::uint32_t>(head.data() + HeaderV2::kClusterBits.offset);
  const std::uint64_t cluster = std::uint64_t{1} << std::clamp(bits, kMinClusterBits, kMaxClusterBits);
  return std::min(std::max(EndOfExtensions(head, version), EndOfName(head)), cluster);
}

Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size, Tolerance tolerance) {
  PLATTER_CHECK(HeaderBytesNeeded(head));
  return Parser(head, file_size, tolerance).Parse();
}

Result<std::vector<std::byte>> SerializeHeader(const Header& header) {
  std::vector<std::byte> out(header.header_length);
  AppendExtensions(header, out);
  const std::uint64_t backing_offset = header.backing_file.empty() ? 0 : out.size();
  const auto name = BytesOf(header.backing_file);
  out.insert(out.end(), name.begin(), name.end());
  if (out.size() > header.cluster_size()) {
    return Error(ErrorKind::kInvalid, "header, extensions and backing file name do not fit into one cluster")
        .Found(out.size())
        .Allowed(fmt::format("{} bytes", header.cluster_size()));
  }
  WriteFixedPart(header, backing_offset, out);
  out.resize(header.cluster_size());
  return out;
}

}  // namespace platter::qcow2
