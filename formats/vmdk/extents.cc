#include "formats/vmdk/extents.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace platter::vmdk {
namespace {

// Grains are inflated whole, several at once on as many threads.
constexpr std::uint64_t kMaxCompressedGrain = std::uint64_t{4} << 20;
constexpr std::uint64_t kMaxVirtualSize = std::uint64_t{1} << 62;

Result<std::vector<std::byte>> ReadHead(Storage& storage, std::uint64_t offset, std::uint64_t length) {
  std::vector<std::byte> head(offset < storage.size() ? std::min(length, storage.size() - offset) : 0);
  PLATTER_CHECK(storage.ReadAt(offset, head));
  return head;
}

Result<SparseHeader> WithTrailer(Storage& storage, const SparseHeader& header) {
  // qemu and VirtualBox count whole sectors: the last one may be cut.
  const std::uint64_t size = AlignUp(storage.size(), kSectorSize);
  std::vector<std::byte> trailer(size < kTrailerSize ? 0 : kTrailerSize);
  PLATTER_CHECK(storage.ReadPadded(size - trailer.size(), trailer));
  return ParseTrailer(trailer, header, size);
}

// True when every entry of the directory at sector `directory` is 0 or leads to a table inside the file.
Result<bool> DirectorySound(Storage& storage, std::uint64_t directory, const SparseHeader& header) {
  constexpr std::uint64_t kPiece = 65536;
  const std::uint64_t bytes = header.directory_entries() * kEntrySize;
  const auto start = CheckedMultiply(directory, kSectorSize);
  if (directory == 0 || !start || !FitsWithin(*start, bytes, storage.size())) return false;
  const std::uint64_t table_bytes = std::uint64_t{header.table_entries} * kEntrySize;
  for (std::uint64_t done = 0; done < bytes; done += kPiece) {
    const auto piece = PLATTER_TRY(ReadHead(storage, *start + done, std::min(kPiece, bytes - done)));
    for (std::size_t at = 0; at < piece.size(); at += kEntrySize) {
      const std::uint64_t table = LoadLe<std::uint32_t>(piece.data() + at) * kSectorSize;
      if (table != 0 && !FitsWithin(table, table_bytes, storage.size())) return false;
    }
  }
  return true;
}

// Gives the extent its grains.
Result<> UseGrains(ExtentFile& extent, const GrainTables& tables, std::uint64_t cache_bytes) {
  if (tables.compressed && tables.grain_size > kMaxCompressedGrain) {
    return Error(ErrorKind::kLimit, "compressed grains are too large")
        .At("VMDK header", "grainSize", SparseHeaderLayout::kGrainSize.offset)
        .Found(tables.grain_size)
        .Allowed(fmt::format("up to {} bytes", kMaxCompressedGrain));
  }
  extent.grains = std::make_unique<GrainMap>(extent.storage, tables, cache_bytes);
  if (tables.compressed) extent.compressed = std::make_unique<CompressedReader>(*extent.grains);
  extent.length = tables.capacity;
  return Done{};
}

class ExtentOpener {
 public:
  ExtentOpener(const Descriptor& descriptor, const std::string& referrer, const OpenContext& context)
      : descriptor_(descriptor), referrer_(referrer), context_(context) {
    const auto count = std::max<std::size_t>(descriptor.extents.size(), 1);
    cache_bytes_ = context.limits.table_cache / count;
  }

  Result<std::vector<ExtentFile>> OpenAll() {
    std::vector<ExtentFile> extents;
    std::uint64_t begin = 0;
    for (const ExtentLine& line : descriptor_.extents) {
      if (Skipped(line)) continue;
      auto opened = Open(line);
      if (!opened.ok()) return std::move(opened).error().In(line.file);
      ExtentFile& extent = extents.emplace_back(std::move(opened).value());
      extent.begin = begin;
      begin += extent.length;
      if (extent.length > kMaxVirtualSize || begin > kMaxVirtualSize) return TooLarge(line);
    }
    if (extents.empty()) {
      return Error(ErrorKind::kCorrupt, "the descriptor lists no extents").At("VMDK descriptor", "extent description");
    }
    return extents;
  }

 private:
  bool as_qemu() const noexcept { return context_.dialect == Dialect::kQemu; }

  // qemu passes over what it does not know or may not write to.
  bool Skipped(const ExtentLine& line) const noexcept {
    if (line.sectors == 0) return true;
    constexpr std::array kOfQemu = {ExtentType::kFlat, ExtentType::kSparse, ExtentType::kVmfs, ExtentType::kVmfsSparse,
                                    ExtentType::kSeSparse};
    return as_qemu() && (line.access != Access::kReadWrite || std::ranges::find(kOfQemu, line.type) == kOfQemu.end());
  }

  static Error TooLarge(const ExtentLine& line) {
    return Error(ErrorKind::kCorrupt, "disk size is impossible")
        .At("VMDK descriptor", "extent description")
        .Found(fmt::format("{} sectors", line.sectors))
        .Allowed(fmt::format("together up to {} bytes", kMaxVirtualSize));
  }

  static Result<> CheckReadable(const ExtentLine& line) {
    const auto refuse = [&](std::string what) {
      return Error(ErrorKind::kUnsupported, std::move(what)).At("VMDK descriptor", "extent type");
    };
    switch (line.type) {
      case ExtentType::kVmfsRdm:
      case ExtentType::kVmfsRaw:
        return refuse(
            fmt::format("extents of type {} stand for a raw device and cannot be read", ExtentTypeName(line.type)));
      case ExtentType::kOther:
        return refuse(fmt::format("Unsupported extent type '{}'", line.other_type));
      default:
        break;
    }
    if (line.access != Access::kNone) return Done{};
    return refuse("the descriptor forbids access to this extent").Found("NOACCESS").Allowed("RW, RDONLY");
  }

  Result<ExtentFile> Open(const ExtentLine& line) {
    PLATTER_CHECK(CheckReadable(line));
    const auto length = CheckedMultiply(line.sectors, kSectorSize);
    if (!length) return TooLarge(line);
    ExtentFile extent{.line = line, .length = *length};
    if (extent.zero()) return extent;
    auto storage = OpenStorage(line);
    if (!storage.ok()) {
      if (context_.contents || as_qemu()) return std::move(storage).error();
      return extent;
    }
    extent.storage = std::move(storage).value();
    if (line.type == ExtentType::kFlat || line.type == ExtentType::kVmfs) {
      PLATTER_CHECK(OpenFlat(extent));
    } else {
      PLATTER_CHECK(OpenSparse(extent));
    }
    return extent;
  }

  Result<std::shared_ptr<Storage>> OpenStorage(const ExtentLine& line) {
    const std::string name = as_qemu() ? line.file : PLATTER_TRY(DecodeName(line.file, descriptor_.encoding));
    return context_.gate->Open(Reference{Reference::Role::kExtentFile, name, ""}, referrer_);
  }

  Result<> OpenFlat(ExtentFile& extent) const {
    const auto offset = CheckedMultiply(extent.line.offset.value_or(0), kSectorSize);
    const bool fits = offset && FitsWithin(*offset, extent.length, extent.storage->size());
    if (context_.contents && !fits) {
      return Error(ErrorKind::kCorrupt, "the extent's file is too short")
          .At("VMDK descriptor", "extent description")
          .Found(fmt::format("{} bytes", extent.storage->size()))
          .Allowed(fmt::format("{} sectors from sector {} on", extent.line.sectors, extent.line.offset.value_or(0)));
    }
    extent.offset = offset.value_or(0);
    return Done{};
  }

  Result<> OpenSparse(ExtentFile& extent) const {
    const auto head = PLATTER_TRY(ReadHead(*extent.storage, 0, SparseHeaderLayout::kSize));
    const std::uint64_t described = extent.length;
    const auto magic = head.size() < 4 ? 0 : LoadLe<std::uint32_t>(head.data());
    if (extent.line.type == ExtentType::kSeSparse) {
      PLATTER_CHECK(OpenSeSparse(extent, head));
    } else if (magic == kCowdMagic) {
      const CowdHeader header = PLATTER_TRY(ParseCowdHeader(head, extent.storage->size()));
      PLATTER_CHECK(UseGrains(extent, GrainTables::Of(header), cache_bytes_));
    } else {
      const HostedExtent hosted = PLATTER_TRY(OpenHosted(*extent.storage, context_.dialect));
      extent.hosted = hosted;
      PLATTER_CHECK(UseGrains(extent, GrainTables::Of(hosted.header), cache_bytes_));
    }
    if (as_qemu() || extent.length == described) return Done{};
    if (extent.hosted && extent.hosted->header.RoundsUp(extent.line.sectors)) {
      extent.length = described;
      return Done{};
    }
    return Error(ErrorKind::kCorrupt, "the extent's header and the descriptor do not agree about its size")
        .At("VMDK header", "capacity", SparseHeaderLayout::kCapacity.offset)
        .Found(extent.length / kSectorSize)
        .Allowed(fmt::format("{} sectors, as the descriptor says", extent.line.sectors));
  }

  Result<> OpenSeSparse(ExtentFile& extent, std::span<const std::byte> head) const {
    const SeSparseHeader header = PLATTER_TRY(ParseSeSparseHeader(head, extent.storage->size()));
    const std::uint64_t at = header.volatile_header * kSectorSize;
    const auto volatile_header = PLATTER_TRY(ReadHead(*extent.storage, at, kSectorSize));
    PLATTER_CHECK(CheckSeSparseVolatile(volatile_header, at));
    return UseGrains(extent, GrainTables::Of(header), cache_bytes_);
  }

  const Descriptor& descriptor_;
  const std::string& referrer_;
  const OpenContext& context_;
  std::uint64_t cache_bytes_;
};

}  // namespace

Result<HostedExtent> OpenHosted(Storage& storage, Dialect dialect) {
  const auto head = PLATTER_TRY(ReadHead(storage, 0, SparseHeaderLayout::kSize));
  HostedExtent hosted{PLATTER_TRY(ParseSparseHeader(head, storage.size()))};
  SparseHeader& header = hosted.header;
  if (header.capacity == 0) return hosted;
  if (header.directory == kDirectoryAtEnd) {
    const std::uint64_t overhead = header.overhead;
    header = PLATTER_TRY(WithTrailer(storage, header));
    header.overhead = overhead;  // where the stream's first marker stands
    hosted.stream_trailer = true;
  }
  if (dialect == Dialect::kQemu) {
    header.flags &= ~kFlagRedundantDirectory;  // qemu never looks at the copy
    return hosted;
  }
  if (!header.has(kFlagRedundantDirectory)) return hosted;
  if (PLATTER_TRY(DirectorySound(storage, header.directory, header))) return hosted;
  hosted.directory_damaged = PLATTER_TRY(DirectorySound(storage, header.redundant_directory, header));
  if (hosted.directory_damaged) std::swap(header.directory, header.redundant_directory);
  return hosted;
}

Result<ExtentFile> EmbeddedExtent(std::shared_ptr<Storage> storage, const HostedExtent& hosted,
                                  const OpenContext& context) {
  ExtentFile extent{.described = false, .storage = std::move(storage)};
  extent.line.sectors = hosted.header.capacity;
  extent.line.file = extent.storage->name();
  extent.hosted = hosted;
  PLATTER_CHECK(UseGrains(extent, GrainTables::Of(hosted.header), context.limits.table_cache));
  return extent;
}

Result<std::vector<ExtentFile>> OpenExtents(const Descriptor& descriptor, const std::string& referrer,
                                            const OpenContext& context) {
  return ExtentOpener(descriptor, referrer, context).OpenAll();
}

}  // namespace platter::vmdk
