#include "formats/vmdk/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

constexpr std::uint64_t kMaxCapacity = (std::uint64_t{1} << 62) / kSectorSize;

Error Wrong(std::string what, std::string field, std::size_t offset, ErrorKind kind = ErrorKind::kCorrupt) {
  return Error(kind, std::move(what)).At("VMDK header", std::move(field), offset);
}

// True when `sectors` from sector `offset` on lie inside the file.
bool SectorsFit(std::uint64_t offset, std::uint64_t sectors, std::uint64_t file_size) noexcept {
  return FitsWithin(offset, sectors, file_size / kSectorSize);
}

bool TableFits(std::uint64_t sector, std::uint64_t bytes, std::uint64_t file_size) noexcept {
  const auto offset = CheckedMultiply(sector, kSectorSize);
  return offset && *offset != 0 && FitsWithin(*offset, bytes, file_size);
}

template <class Layout>
Result<RecordView<Layout>> ViewOf(std::span<const std::byte> head, std::uint64_t magic) {
  using Magic = decltype(Layout::kMagic);
  if (head.size() < Magic::kWidth || Layout::kMagic.Decode(head.data()) != magic) {
    return Error(ErrorKind::kNotThisFormat, "not a VMDK sparse extent");
  }
  if (head.size() < Layout::kSize) {
    return Wrong("file ends inside the header", "whole header", 0)
        .Found(head.size())
        .Allowed(fmt::format("at least {} bytes", Layout::kSize));
  }
  return RecordView<Layout>(head.template first<Layout::kSize>());
}

SparseHeader Decode(const RecordView<SparseHeaderLayout>& view) {
  using L = SparseHeaderLayout;
  SparseHeader header;
  header.version = view.Get<L::kVersion>();
  header.flags = view.Get<L::kFlags>();
  header.capacity = view.Get<L::kCapacity>();
  header.grain_sectors = view.Get<L::kGrainSize>();
  header.descriptor_offset = view.Get<L::kDescriptorOffset>();
  header.descriptor_size = view.Get<L::kDescriptorSize>();
  header.table_entries = view.Get<L::kGrainTableEntries>();
  header.redundant_directory = view.Get<L::kRedundantDirectoryOffset>();
  header.directory = view.Get<L::kDirectoryOffset>();
  header.overhead = view.Get<L::kOverhead>();
  header.unclean = view.Get<L::kUncleanShutdown>() != 0;
  header.compression = view.Get<L::kCompressAlgorithm>();
  return header;
}

Result<> CheckVersion(const RecordView<SparseHeaderLayout>& view, const SparseHeader& header) {
  using L = SparseHeaderLayout;
  if (header.version == 0 || header.version > kMaxVersion) {
    return Wrong(fmt::format("Unsupported VMDK version {}", header.version), "version", L::kVersion.offset,
                 ErrorKind::kUnsupported)
        .Found(header.version)
        .Allowed("1 to 3");
  }
  if (header.has(kFlagLineEndTest) && view.Get<L::kLineEndTest>() != kLineEnds) {
    return Wrong("the file's line ends were changed: it was transferred as text", "line end test",
                 L::kLineEndTest.offset)
        .Found(fmt::format("{:#010x}", view.Get<L::kLineEndTest>()))
        .Allowed(fmt::format("{:#010x}", kLineEnds));
  }
  if (header.compression > kCompressDeflate) {
    return Wrong("unknown compression", "compressAlgorithm", L::kCompressAlgorithm.offset, ErrorKind::kUnsupported)
        .Found(header.compression)
        .Allowed("0 (none), 1 (deflate)");
  }
  if (header.has(kFlagCompressed) && !header.compressed()) {
    return Wrong("the flags say compressed, the algorithm says not", "compressAlgorithm", L::kCompressAlgorithm.offset)
        .Found(header.compression)
        .Allowed("1 (deflate)");
  }
  return Done{};
}

Result<> CheckDescriptorPlace(const SparseHeader& header, std::uint64_t file_size) {
  if (header.descriptor_offset == 0) return Done{};
  if (header.descriptor_size <= kMaxDescriptorBytes / kSectorSize &&
      SectorsFit(header.descriptor_offset, header.descriptor_size, file_size)) {
    return Done{};
  }
  return Wrong("descriptor is too long or lies outside the file", "descriptorOffset",
               SparseHeaderLayout::kDescriptorOffset.offset)
      .Found(fmt::format("{} sectors at sector {}", header.descriptor_size, header.descriptor_offset))
      .Allowed(fmt::format("less than 1 MiB inside the file's {} bytes", file_size));
}

Result<> CheckGeometry(const SparseHeader& header) {
  using L = SparseHeaderLayout;
  if (!std::has_single_bit(header.grain_sectors) || header.grain_sectors > kMaxGrainSectors) {
    return Wrong("Invalid granularity, image may be corrupt", "grainSize", L::kGrainSize.offset)
        .Found(header.grain_sectors)
        .Allowed(fmt::format("a power of two up to {}", kMaxGrainSectors));
  }
  if (header.table_entries == 0 || header.table_entries > kGrainTableEntries) {
    return Wrong("grain tables of this size are not possible", "numGTEsPerGT", L::kGrainTableEntries.offset)
        .Found(header.table_entries)
        .Allowed(fmt::format("1 to {}", kGrainTableEntries));
  }
  if (header.capacity > kMaxCapacity || header.directory_entries() > kMaxDirectoryEntries) {
    return Wrong("disk size is impossible", "capacity", L::kCapacity.offset)
        .Found(header.capacity)
        .Allowed(fmt::format("what {} grain tables cover", kMaxDirectoryEntries));
  }
  return Done{};
}

Result<> CheckPlaces(const SparseHeader& header, std::uint64_t file_size) {
  using L = SparseHeaderLayout;
  if (header.overhead > file_size / kSectorSize) {
    return Wrong(fmt::format("File truncated, expecting at least {} bytes",
                             CheckedMultiply(header.overhead, kSectorSize).value_or(~std::uint64_t{0})),
                 "overHead", L::kOverhead.offset)
        .Found(header.overhead)
        .Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  if (header.directory == kDirectoryAtEnd) return Done{};
  const std::uint64_t bytes = header.directory_entries() * kEntrySize;
  const bool redundant = header.has(kFlagRedundantDirectory) && TableFits(header.redundant_directory, bytes, file_size);
  if (redundant || TableFits(header.directory, bytes, file_size)) return Done{};
  return Wrong("grain directory lies outside the file", "gdOffset", L::kDirectoryOffset.offset)
      .Found(fmt::format("sector {} for {} entries", header.directory, header.directory_entries()))
      .Allowed(fmt::format("inside the file's {} bytes", file_size));
}

Error BadTrailer(std::string what, std::string field, std::uint64_t host_offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("VMDK stream footer", std::move(field), host_offset);
}

Result<> CheckMarker(std::span<const std::byte> bytes, Marker type, std::uint64_t sectors, std::uint64_t host_offset) {
  const RecordView<MetadataMarkerLayout> view(bytes.first<MetadataMarkerLayout::kSize>());
  const auto found_type = view.Get<MetadataMarkerLayout::kType>();
  const auto found_sectors = view.Get<MetadataMarkerLayout::kSectors>();
  const auto found_bytes = view.Get<MetadataMarkerLayout::kDataBytes>();
  // Some writers leave the number of sectors out of the footer's marker.
  const bool right_sectors = found_sectors == sectors || (type == Marker::kFooter && found_sectors == 0);
  if (found_type == static_cast<std::uint32_t>(type) && found_bytes == 0 && right_sectors) return Done{};
  return BadTrailer("the stream does not end in a footer: it is cut short or damaged", "marker", host_offset)
      .Found(fmt::format("type {}, {} sectors, {} bytes", found_type, found_sectors, found_bytes))
      .Allowed(fmt::format("type {}, {} sectors, 0 bytes", static_cast<std::uint32_t>(type), sectors));
}

bool SameDisk(const SparseHeader& a, const SparseHeader& b) noexcept {
  return a.version == b.version && a.flags == b.flags && a.capacity == b.capacity &&
         a.grain_sectors == b.grain_sectors && a.table_entries == b.table_entries &&
         a.descriptor_offset == b.descriptor_offset && a.descriptor_size == b.descriptor_size &&
         a.compression == b.compression;
}

}  // namespace

std::uint64_t SparseHeader::directory_entries() const noexcept {
  return DivideRoundingUp(capacity, grain_sectors * table_entries);
}

Result<SparseHeader> ParseSparseHeader(std::span<const std::byte> head, std::uint64_t file_size) {
  const auto view = PLATTER_TRY(ViewOf<SparseHeaderLayout>(head, kSparseMagic));
  SparseHeader header = Decode(view);
  PLATTER_CHECK(CheckVersion(view, header));
  PLATTER_CHECK(CheckDescriptorPlace(header, file_size));
  if (header.capacity == 0) {
    if (header.descriptor_offset != 0) return header;  // only a wrapping for the descriptor
    return Wrong("disk size is impossible", "capacity", SparseHeaderLayout::kCapacity.offset)
        .Found(0)
        .Allowed("1 sector or more");
  }
  PLATTER_CHECK(CheckGeometry(header));
  PLATTER_CHECK(CheckPlaces(header, file_size));
  return header;
}

Result<SparseHeader> ParseTrailer(std::span<const std::byte> trailer, const SparseHeader& header,
                                  std::uint64_t file_size) {
  if (trailer.size() != kTrailerSize || file_size < SparseHeaderLayout::kSize + kTrailerSize) {
    return BadTrailer("the stream ends before its footer", "whole footer", file_size).Found(trailer.size());
  }
  const std::uint64_t start = file_size - kTrailerSize;
  PLATTER_CHECK(CheckMarker(trailer.first(kSectorSize), Marker::kFooter, 1, start));
  PLATTER_CHECK(CheckMarker(trailer.subspan(2 * kSectorSize), Marker::kEndOfStream, 0, start + 2 * kSectorSize));
  auto parsed = ParseSparseHeader(trailer.subspan(kSectorSize, kSectorSize), file_size);
  if (!parsed.ok()) return BadTrailer(parsed.error().what(), "footer", start + kSectorSize);
  const SparseHeader& footer = parsed.value();
  if (footer.directory == kDirectoryAtEnd) {
    return BadTrailer("the footer does not say where the grain directory is", "gdOffset",
                      start + kSectorSize + SparseHeaderLayout::kDirectoryOffset.offset);
  }
  if (!SameDisk(header, footer)) {
    return BadTrailer("the footer describes another disk than the header", "footer", start + kSectorSize)
        .Found(fmt::format("capacity {}, grains of {}, descriptor at {}", footer.capacity, footer.grain_sectors,
                           footer.descriptor_offset))
        .Allowed(fmt::format("capacity {}, grains of {}, descriptor at {}, and the same flags", header.capacity,
                             header.grain_sectors, header.descriptor_offset));
  }
  return footer;
}

void EncodeSparseHeader(const SparseHeader& header, std::span<std::byte> out) {
  using L = SparseHeaderLayout;
  std::ranges::fill(out.first(L::kSize), std::byte{0});
  RecordEditor<L> editor(out.first<L::kSize>());
  editor.Set<L::kMagic>(kSparseMagic);
  editor.Set<L::kVersion>(header.version);
  editor.Set<L::kFlags>(header.flags);
  editor.Set<L::kCapacity>(header.capacity);
  editor.Set<L::kGrainSize>(header.grain_sectors);
  editor.Set<L::kDescriptorOffset>(header.descriptor_offset);
  editor.Set<L::kDescriptorSize>(header.descriptor_size);
  editor.Set<L::kGrainTableEntries>(header.table_entries);
  editor.Set<L::kRedundantDirectoryOffset>(header.redundant_directory);
  editor.Set<L::kDirectoryOffset>(header.directory);
  editor.Set<L::kOverhead>(header.overhead);
  editor.Set<L::kUncleanShutdown>(header.unclean ? 1 : 0);
  editor.Set<L::kLineEndTest>(kLineEnds);
  editor.Set<L::kCompressAlgorithm>(header.compression);
}

Result<CowdHeader> ParseCowdHeader(std::span<const std::byte> head, std::uint64_t file_size) {
  using L = CowdHeaderLayout;
  const auto view = PLATTER_TRY(ViewOf<L>(head, kCowdMagic));
  CowdHeader header;
  header.capacity = view.Get<L::kCapacity>();
  header.grain_sectors = view.Get<L::kGrainSize>();
  header.directory = view.Get<L::kDirectoryOffset>();
  header.directory_entries = view.Get<L::kDirectoryEntries>();
  if (view.Get<L::kVersion>() != kCowdVersion) {
    return Wrong("unknown version of a COWD extent", "version", L::kVersion.offset, ErrorKind::kUnsupported)
        .Found(view.Get<L::kVersion>())
        .Allowed("1");
  }
  if (header.capacity == 0) {
    return Wrong("disk size is impossible", "numSectors", L::kCapacity.offset).Found(0).Allowed("1 sector or more");
  }
  if (header.grain_sectors == 0 || header.grain_sectors > kMaxGrainSectors) {
    return Wrong("Invalid granularity, image may be corrupt", "grainSize", L::kGrainSize.offset)
        .Found(header.grain_sectors)
        .Allowed(fmt::format("1 to {}", kMaxGrainSectors));
  }
  const std::uint64_t needed = DivideRoundingUp(header.capacity, header.grain_sectors * kCowdGrainTableEntries);
  if (header.directory_entries < needed || header.directory_entries > kMaxDirectoryEntries) {
    return Wrong("grain directory does not cover the disk", "numGDEntries", L::kDirectoryEntries.offset)
        .Found(header.directory_entries)
        .Allowed(fmt::format("{} to {}", needed, kMaxDirectoryEntries));
  }
  if (!TableFits(header.directory, header.directory_entries * kEntrySize, file_size)) {
    return Wrong("grain directory lies outside the file", "gdOffset", L::kDirectoryOffset.offset)
        .Found(fmt::format("sector {} for {} entries", header.directory, header.directory_entries))
        .Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  return header;
}

}  // namespace platter::vmdk
