#include "tests/vmdk/fixture.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/guest.h"

namespace platter::test {
namespace {

using namespace platter::vmdk;

Bytes GrainContent(std::uint64_t seed, std::uint64_t index, std::uint64_t size) {
  Random random(seed * 1000 + index);
  Bytes bytes(size);
  for (std::size_t at = 0; at < size; ++at) {
    bytes[at] = static_cast<std::byte>(at % 4 == 0 ? random.Next() : std::uint64_t{'a'} + at % 5);
  }
  return bytes;
}

Bytes Deflate(const Bytes& bytes) {
  uLongf length = compressBound(bytes.size());
  Bytes out(length);
  compress(reinterpret_cast<Bytef*>(out.data()), &length, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  out.resize(length);
  return out;
}

void Pad(Bytes& bytes, std::uint64_t alignment) { bytes.resize(AlignUp<std::uint64_t>(bytes.size(), alignment)); }

Grain KindOf(const SparseSpec& spec, std::uint64_t index) {
  return index < spec.grains.size() ? spec.grains[index] : Grain::kHole;
}

std::uint64_t GrainCount(const SparseSpec& spec) { return DivideRoundingUp(spec.capacity, spec.grain_sectors); }

Bytes GuestOf(const SparseSpec& spec) {
  const std::uint64_t size = spec.grain_sectors * kSectorSize;
  Bytes guest;
  for (std::uint64_t index = 0; index < GrainCount(spec); ++index) {
    Join(guest, KindOf(spec, index) == Grain::kData ? GrainContent(spec.seed, index, size) : Bytes(size));
  }
  guest.resize(spec.capacity * kSectorSize);
  return guest;
}

void PutHeader(const SparseSpec& spec, Bytes& file, std::uint64_t at, std::uint32_t flags) {
  using L = SparseHeaderLayout;
  const bool zeroed = std::ranges::count(spec.grains, Grain::kZero) != 0;
  Put(file, L::kMagic, kSparseMagic, at);
  Put(file, L::kVersion, spec.version, at);
  Put(file, L::kFlags, flags | kFlagLineEndTest | (zeroed ? kFlagZeroedGrains : 0), at);
  Put(file, L::kCapacity, spec.capacity, at);
  Put(file, L::kGrainSize, spec.grain_sectors, at);
  Put(file, L::kDescriptorOffset, spec.descriptor.empty() ? 0 : 1, at);
  Put(file, L::kDescriptorSize, spec.descriptor.empty() ? 0 : 4, at);
  Put(file, L::kGrainTableEntries, spec.table_entries, at);
  Put(file, L::kLineEndTest, kLineEnds, at);
}

// Appends a directory and its tables, empty, and returns the host offset of the directory. Tables follow it.
std::uint64_t AddDirectory(const SparseSpec& spec, Bytes& file) {
  const std::uint64_t tables = DivideRoundingUp(GrainCount(spec), std::uint64_t{spec.table_entries});
  const std::uint64_t directory = file.size();
  const std::uint64_t first = AlignUp(directory + tables * kEntrySize, kSectorSize);
  const std::uint64_t stride = AlignUp(spec.table_entries * kEntrySize, kSectorSize);
  file.resize(first + tables * stride);
  for (std::uint64_t index = 0; index < tables; ++index) {
    Put32(file, directory + index * kEntrySize, static_cast<std::uint32_t>((first + index * stride) / kSectorSize));
  }
  return directory;
}

void SetEntry(const SparseSpec& spec, Bytes& file, std::uint64_t directory, std::uint64_t index, std::uint32_t value) {
  const std::uint64_t slot = directory + index / spec.table_entries * kEntrySize;
  const std::uint64_t table = LoadLe<std::uint32_t>(file.data() + slot) * kSectorSize;
  Put32(file, table + index % spec.table_entries * kEntrySize, value);
}

std::uint64_t FirstTable(const Bytes& file, std::uint64_t directory) {
  return LoadLe<std::uint32_t>(file.data() + directory) * kSectorSize;
}

void AddMarker(Bytes& file, Marker type, std::uint64_t sectors) {
  const std::uint64_t at = file.size();
  file.resize(at + kSectorSize);
  Put(file, MetadataMarkerLayout::kSectors, sectors, at);
  Put(file, MetadataMarkerLayout::kType, static_cast<std::uint32_t>(type), at);
}

// The numbers of the grains that are stored, in the order of storing.
std::vector<std::uint64_t> StoredGrains(const SparseSpec& spec) {
  std::vector<std::uint64_t> stored;
  for (std::uint64_t index = 0; index < GrainCount(spec); ++index) {
    if (KindOf(spec, index) == Grain::kData) stored.push_back(index);
  }
  if (spec.backwards) std::ranges::reverse(stored);
  return stored;
}

void AddDescriptor(const SparseSpec& spec, Bytes& file) {
  if (spec.descriptor.empty()) return;
  Join(file, ToBytes(spec.descriptor));
  file.resize(kSectorSize * 5);
}

}  // namespace

Bytes ToBytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void Join(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

void Put32(Bytes& bytes, std::uint64_t at, std::uint32_t value) { StoreLe(bytes.data() + at, value); }
void Put64(Bytes& bytes, std::uint64_t at, std::uint64_t value) { StoreLe(bytes.data() + at, value); }

std::string DescriptorText(const std::string& create_type, const std::string& lines, std::uint32_t cid,
                           std::uint32_t parent_cid) {
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nCID={:08x}\nparentCID={:08x}\ncreateType=\"{}\"\n\n# Extent description\n{}",
      cid, parent_cid, create_type, lines);
}

Fixture MakeSparse(const SparseSpec& spec) {
  Fixture made;
  made.guest = GuestOf(spec);
  made.file.resize(kSectorSize);
  AddDescriptor(spec, made.file);
  if (spec.redundant) made.redundant = AddDirectory(spec, made.file);
  made.directory = AddDirectory(spec, made.file);
  made.table = FirstTable(made.file, made.directory);
  if (spec.redundant) made.redundant_table = FirstTable(made.file, made.redundant);
  PutHeader(spec, made.file, 0, spec.redundant ? kFlagRedundantDirectory : 0);
  Put(made.file, SparseHeaderLayout::kDirectoryOffset, made.directory / kSectorSize);
  Put(made.file, SparseHeaderLayout::kRedundantDirectoryOffset, made.redundant / kSectorSize);
  Put(made.file, SparseHeaderLayout::kOverhead, made.file.size() / kSectorSize);
  const auto set = [&](std::uint64_t index, std::uint64_t entry) {
    SetEntry(spec, made.file, made.directory, index, static_cast<std::uint32_t>(entry));
    if (spec.redundant) SetEntry(spec, made.file, made.redundant, index, static_cast<std::uint32_t>(entry));
  };
  for (std::uint64_t index = 0; index < GrainCount(spec); ++index) {
    if (KindOf(spec, index) == Grain::kZero) set(index, kZeroedGrain);
  }
  for (const std::uint64_t index : StoredGrains(spec)) {
    set(index, made.file.size() / kSectorSize);
    made.grains.push_back(made.file.size());
    Join(made.file, GrainContent(spec.seed, index, spec.grain_sectors * kSectorSize));
  }
  if (spec.backwards) std::ranges::reverse(made.grains);
  return made;
}

Fixture MakeStream(const SparseSpec& spec) {
  Fixture made;
  made.guest = GuestOf(spec);
  made.file.resize(kSectorSize);
  AddDescriptor(spec, made.file);
  Pad(made.file, 8 * kSectorSize);
  const std::uint32_t flags = kFlagCompressed | kFlagMarkers;
  PutHeader(spec, made.file, 0, flags);
  Put(made.file, SparseHeaderLayout::kCompressAlgorithm, kCompressDeflate);
  Put(made.file, SparseHeaderLayout::kDirectoryOffset, kDirectoryAtEnd);
  Put(made.file, SparseHeaderLayout::kOverhead, made.file.size() / kSectorSize);
  std::vector<std::uint64_t> entries(GrainCount(spec));
  for (const std::uint64_t index : StoredGrains(spec)) {
    const std::uint64_t at = made.file.size();
    const Bytes packed = Deflate(GrainContent(spec.seed, index, spec.grain_sectors * kSectorSize));
    made.file.resize(at + GrainMarkerLayout::kSize);
    Put(made.file, GrainMarkerLayout::kLba, index * spec.grain_sectors, at);
    Put(made.file, GrainMarkerLayout::kDataBytes, static_cast<std::uint32_t>(packed.size()), at);
    Join(made.file, packed);
    Pad(made.file, kSectorSize);
    entries[index] = at / kSectorSize;
    made.grains.push_back(at);
  }
  if (spec.backwards) std::ranges::reverse(made.grains);
  // Tables first, then the directory that leads to them, each behind its marker.
  Bytes directory;
  for (std::uint64_t first = 0; first < entries.size(); first += spec.table_entries) {
    AddMarker(made.file, Marker::kGrainTable, spec.table_entries * kEntrySize / kSectorSize);
    directory.resize(directory.size() + kEntrySize);
    Put32(directory, directory.size() - kEntrySize, static_cast<std::uint32_t>(made.file.size() / kSectorSize));
    const std::uint64_t table = made.file.size();
    if (first == 0) made.table = table;
    made.file.resize(table + spec.table_entries * kEntrySize);
    for (std::uint64_t at = first; at < std::min<std::uint64_t>(entries.size(), first + spec.table_entries); ++at) {
      const bool zero = KindOf(spec, at) == Grain::kZero;
      Put32(made.file, table + (at - first) * kEntrySize,
            zero ? kZeroedGrain : static_cast<std::uint32_t>(entries[at]));
    }
  }
  Pad(directory, kSectorSize);
  AddMarker(made.file, Marker::kGrainDirectory, directory.size() / kSectorSize);
  made.directory = made.file.size();
  Join(made.file, directory);
  AddMarker(made.file, Marker::kFooter, 1);
  Join(made.file, Bytes(made.file.begin(), made.file.begin() + kSectorSize));
  Put(made.file, SparseHeaderLayout::kDirectoryOffset, made.directory / kSectorSize, made.file.size() - kSectorSize);
  AddMarker(made.file, Marker::kEndOfStream, 0);
  return made;
}

Fixture MakeCowd(const SparseSpec& spec) {
  using L = CowdHeaderLayout;
  SparseSpec cowd = spec;
  cowd.table_entries = kCowdGrainTableEntries;
  Fixture made;
  made.guest = GuestOf(cowd);
  made.file.resize(4 * kSectorSize);
  made.directory = AddDirectory(cowd, made.file);
  made.table = FirstTable(made.file, made.directory);
  Put(made.file, L::kMagic, kCowdMagic);
  Put(made.file, L::kVersion, kCowdVersion);
  Put(made.file, L::kFlags, 3U);
  Put(made.file, L::kCapacity, static_cast<std::uint32_t>(spec.capacity));
  Put(made.file, L::kGrainSize, static_cast<std::uint32_t>(spec.grain_sectors));
  Put(made.file, L::kDirectoryOffset, static_cast<std::uint32_t>(made.directory / kSectorSize));
  Put(made.file, L::kDirectoryEntries,
      static_cast<std::uint32_t>(DivideRoundingUp(GrainCount(spec), std::uint64_t{kCowdGrainTableEntries})));
  for (const std::uint64_t index : StoredGrains(cowd)) {
    made.grains.push_back(made.file.size());
    SetEntry(cowd, made.file, made.directory, index, static_cast<std::uint32_t>(made.file.size() / kSectorSize));
    Join(made.file, GrainContent(spec.seed, index, spec.grain_sectors * kSectorSize));
  }
  return made;
}

Fixture MakeSeSparse(const SparseSpec& spec) {
  using L = SeSparseHeaderLayout;
  SparseSpec wide = spec;
  wide.grain_sectors = kSeSparseGrainSectors;
  const std::uint64_t tables = DivideRoundingUp(GrainCount(wide), kSeSparseTableEntries);
  constexpr std::uint64_t kDirectory = 4;  // sectors
  constexpr std::uint64_t kTables = 8;
  const std::uint64_t grains = kTables + tables * kSeSparseTableSectors;
  Fixture made;
  made.guest = GuestOf(wide);
  made.directory = kDirectory * kSectorSize;
  made.table = kTables * kSectorSize;
  made.file.resize(grains * kSectorSize);
  Put(made.file, L::kMagic, kSeSparseMagic);
  Put(made.file, L::kVersion, kSeSparseVersion);
  Put(made.file, L::kCapacity, spec.capacity);
  Put(made.file, L::kGrainSize, kSeSparseGrainSectors);
  Put(made.file, L::kGrainTableSize, kSeSparseTableSectors);
  Put(made.file, L::kVolatileHeaderOffset, std::uint64_t{1});
  Put(made.file, L::kVolatileHeaderSize, std::uint64_t{1});
  Put(made.file, L::kDirectoryOffset, kDirectory);
  Put(made.file, L::kDirectorySize, std::uint64_t{1});
  Put(made.file, L::kGrainTablesOffset, kTables);
  Put(made.file, L::kGrainTablesSize, tables * kSeSparseTableSectors);
  Put(made.file, L::kGrainsOffset, grains);
  Put(made.file, SeSparseVolatileLayout::kMagic, kSeSparseVolatileMagic, kSectorSize);
  for (std::uint64_t index = 0; index < tables; ++index) {
    Put64(made.file, made.directory + index * 8, std::uint64_t{1} << 60 | index);
  }
  for (std::uint64_t index = 0; index < GrainCount(wide); ++index) {
    if (KindOf(wide, index) == Grain::kZero) Put64(made.file, made.table + index * 8, std::uint64_t{2} << 60);
  }
  for (const std::uint64_t index : StoredGrains(wide)) {
    const std::uint64_t number = made.grains.size();
    made.grains.push_back(made.file.size());
    Put64(made.file, made.table + index * 8, std::uint64_t{3} << 60 | (number & 0xFFF) << 48 | number >> 12);
    Join(made.file, GrainContent(spec.seed, index, kSeSparseGrainSectors * kSectorSize));
  }
  return made;
}

Result<std::shared_ptr<Storage>> MemoryGate::Open(const Reference& wanted, const std::string& referrer) {
  const auto found = files_.find(wanted.text);
  if (found == files_.end()) return Error(ErrorKind::kIo, "no such file").Found(wanted.text).In(referrer);
  return std::shared_ptr<Storage>(std::make_shared<MemoryStorage>(found->first, found->second));
}

Result<OpenedChain> OpenFiles(const Files& files, const std::string& name, OpenWish wish) {
  MemoryGate gate(files);
  OpenContext context;
  context.gate = &gate;
  context.dialect = wish.dialect;
  context.contents = wish.contents;
  const auto storage = std::make_shared<MemoryStorage>(name, files.at(name));
  auto top = PLATTER_TRY(OpenLayer(name, storage, FindFormat("vmdk"), context));
  return OpenChain(std::move(top), context);
}

Result<Bytes> ReadGuest(const Files& files, const std::string& name, OpenWish wish) {
  const OpenedChain opened = PLATTER_TRY(OpenFiles(files, name, wish));
  const Chain chain = opened.chain();
  Bytes guest(chain.virtual_size());
  PLATTER_CHECK(chain.ReadAt(0, guest));
  return guest;
}

}  // namespace platter::test
