// Every field of every header set to what it must not be, damaged tables and streams, hostile descriptors.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "tests/vmdk/fixture.h"

namespace platter::test {
namespace {

using namespace platter::vmdk;

constexpr std::uint64_t kFar = std::uint64_t{1} << 40;  // sectors

enum class Base : std::uint8_t { kSparse, kStream, kCowd, kSeSparse };

SparseSpec SpecOf(Base base) {
  SparseSpec spec;
  spec.grain_sectors = base == Base::kSeSparse ? kSeSparseGrainSectors : 16;
  spec.capacity = spec.grain_sectors * 8;
  spec.descriptor = DescriptorText(base == Base::kStream ? "streamOptimized" : "monolithicSparse",
                                   fmt::format("RW {} SPARSE \"disk.vmdk\"\n", spec.capacity));
  return spec;
}

Fixture MakeBase(Base base) {
  switch (base) {
    case Base::kSparse:
      return MakeSparse(SpecOf(base));
    case Base::kStream:
      return MakeStream(SpecOf(base));
    case Base::kCowd:
      return MakeCowd(SpecOf(base));
    case Base::kSeSparse:
      break;
  }
  return MakeSeSparse(SpecOf(base));
}

Files FilesOf(Base base, const Bytes& bytes) {
  const std::uint64_t capacity = SpecOf(base).capacity;
  if (base == Base::kCowd || base == Base::kSeSparse) {
    const bool cowd = base == Base::kCowd;
    const std::string line = fmt::format("RW {} {} \"part\"\n", capacity, cowd ? "VMFSSPARSE" : "SESPARSE");
    return {{"part", bytes}, {"disk.vmdk", ToBytes(DescriptorText(cowd ? "vmfsSparse" : "seSparse", line))}};
  }
  return {{"disk.vmdk", bytes}};
}

struct Damage {
  const char* name;
  Base base;
  std::function<void(Fixture&)> apply;
  ErrorKind kind;
  const char* field;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

template <class F>
std::function<void(Fixture&)> Set(F field, typename F::Value value) {
  return [=](Fixture& fixture) { Put(fixture.file, field, value); };
}

std::function<void(Fixture&)> Cut(std::uint64_t tail) {
  return [=](Fixture& fixture) { fixture.file.resize(fixture.file.size() - tail); };
}

using S = SparseHeaderLayout;
using C = CowdHeaderLayout;
using E = SeSparseHeaderLayout;
constexpr auto kCorrupt = ErrorKind::kCorrupt;
constexpr auto kUnsupported = ErrorKind::kUnsupported;

const Damage kDamages[] = {
    {"Magic", Base::kSparse, Set(S::kMagic, 1U), ErrorKind::kNotThisFormat, ""},
    {"VersionZero", Base::kSparse, Set(S::kVersion, 0U), kUnsupported, "version"},
    {"VersionFour", Base::kSparse, Set(S::kVersion, 4U), kUnsupported, "version"},
    {"VersionMax", Base::kSparse, Set(S::kVersion, ~0U), kUnsupported, "version"},
    {"CapacityMax", Base::kSparse, Set(S::kCapacity, ~std::uint64_t{0}), kCorrupt, "capacity"},
    {"CapacityBeyondTables", Base::kSparse, Set(S::kCapacity, std::uint64_t{1} << 50), kCorrupt, "capacity"},
    {"CapacityBeyondDirectory", Base::kSparse, Set(S::kCapacity, std::uint64_t{1} << 33), kCorrupt, "gdOffset"},
    {"GrainZero", Base::kSparse, Set(S::kGrainSize, std::uint64_t{0}), kCorrupt, "grainSize"},
    {"GrainOffByOne", Base::kSparse, Set(S::kGrainSize, std::uint64_t{17}), kCorrupt, "grainSize"},
    {"GrainTooLarge", Base::kSparse, Set(S::kGrainSize, std::uint64_t{1} << 22), kCorrupt, "grainSize"},
    {"GrainMax", Base::kSparse, Set(S::kGrainSize, ~std::uint64_t{0}), kCorrupt, "grainSize"},
    {"GrainTooLargeToInflate", Base::kStream,
     [](Fixture& f) {
       for (const std::uint64_t at : {std::uint64_t{0}, f.file.size() - 1024}) {
         Put(f.file, S::kGrainSize, std::uint64_t{1} << 14, at);
       }
     },
     ErrorKind::kLimit, "grainSize"},
    {"DescriptorOutside", Base::kSparse, Set(S::kDescriptorOffset, kFar), kCorrupt, "descriptorOffset"},
    {"DescriptorMax", Base::kSparse, Set(S::kDescriptorOffset, ~std::uint64_t{0}), kCorrupt, "descriptorOffset"},
    {"DescriptorNone", Base::kSparse, Set(S::kDescriptorOffset, std::uint64_t{0}), kUnsupported, "descriptorOffset"},
    {"DescriptorTooLong", Base::kSparse, Set(S::kDescriptorSize, std::uint64_t{2048}), kCorrupt, "descriptorOffset"},
    {"DescriptorEmpty", Base::kSparse, Set(S::kDescriptorSize, std::uint64_t{0}), kUnsupported, "descriptorOffset"},
    {"TableEntriesZero", Base::kSparse, Set(S::kGrainTableEntries, 0U), kCorrupt, "numGTEsPerGT"},
    {"TableEntriesOffByOne", Base::kSparse, Set(S::kGrainTableEntries, 513U), kCorrupt, "numGTEsPerGT"},
    {"TableEntriesMax", Base::kSparse, Set(S::kGrainTableEntries, ~0U), kCorrupt, "numGTEsPerGT"},
    {"BothDirectoriesOutside", Base::kSparse,
     [](Fixture& f) {
       Put(f.file, S::kDirectoryOffset, kFar);
       Put(f.file, S::kRedundantDirectoryOffset, kFar);
     },
     kCorrupt, "gdOffset"},
    {"DirectoryAtEndWithoutFooter", Base::kSparse, Set(S::kDirectoryOffset, kDirectoryAtEnd), kCorrupt, "marker"},
    {"OverheadBeyondFile", Base::kSparse, Set(S::kOverhead, kFar), kCorrupt, "overHead"},
    {"OverheadMax", Base::kSparse, Set(S::kOverhead, ~std::uint64_t{0}), kCorrupt, "overHead"},
    {"LineEnds", Base::kSparse, Set(S::kLineEndTest, 0x0A0A0D20U), kCorrupt, "line end test"},
    {"CompressionUnknown", Base::kSparse, Set(S::kCompressAlgorithm, std::uint16_t{2}), kUnsupported,
     "compressAlgorithm"},
    {"CompressedByFlagOnly", Base::kStream, Set(S::kCompressAlgorithm, std::uint16_t{0}), kCorrupt,
     "compressAlgorithm"},
    {"HeaderCut", Base::kSparse, [](Fixture& f) { f.file.resize(400); }, kCorrupt, "whole header"},
    {"BothTablesOutside", Base::kSparse,
     [](Fixture& f) {
       Put32(f.file, f.directory, 0x7FFFFFFF);
       Put32(f.file, f.redundant, 0x7FFFFFFF);
     },
     kCorrupt, "entry"},
    {"BothGrainsOutside", Base::kSparse,
     [](Fixture& f) {
       Put32(f.file, f.table, 0x7FFFFFFF);
       Put32(f.file, f.redundant_table, 0x7FFFFFFF);
     },
     kCorrupt, "entry"},
    {"LastGrainCut", Base::kSparse, Cut(512), kCorrupt, "entry"},
    {"EndOfStreamGone", Base::kStream, Cut(512), kCorrupt, "marker"},
    {"FooterGone", Base::kStream, Cut(1536), kCorrupt, "marker"},
    {"StreamHalf", Base::kStream, [](Fixture& f) { f.file.resize(f.grains[2]); }, kCorrupt, "marker"},
    {"StreamOfAHeader", Base::kStream, [](Fixture& f) { f.file.resize(8 * 512); }, kCorrupt, "marker"},
    {"FooterOfAnotherSize", Base::kStream,
     [](Fixture& f) { Put(f.file, S::kCapacity, std::uint64_t{64}, f.file.size() - 1024); }, kCorrupt, "footer"},
    {"FooterOfAnotherDescriptor", Base::kStream,
     [](Fixture& f) { Put(f.file, S::kDescriptorOffset, std::uint64_t{2}, f.file.size() - 1024); }, kCorrupt, "footer"},
    {"FooterAtEndAgain", Base::kStream,
     [](Fixture& f) { Put(f.file, S::kDirectoryOffset, kDirectoryAtEnd, f.file.size() - 1024); }, kCorrupt, "gdOffset"},
    {"FooterMagic", Base::kStream, [](Fixture& f) { Put(f.file, S::kMagic, 0U, f.file.size() - 1024); }, kCorrupt,
     "footer"},
    {"FooterMarkerType", Base::kStream,
     [](Fixture& f) { Put(f.file, MetadataMarkerLayout::kType, 2U, f.file.size() - 1536); }, kCorrupt, "marker"},
    {"EndOfStreamNotZero", Base::kStream,
     [](Fixture& f) { Put(f.file, MetadataMarkerLayout::kSectors, std::uint64_t{1}, f.file.size() - 512); }, kCorrupt,
     "marker"},
    {"MarkerOfAnotherGrain", Base::kStream,
     [](Fixture& f) { Put(f.file, GrainMarkerLayout::kLba, std::uint64_t{16}, f.grains[0]); }, kCorrupt, "lba"},
    {"MarkerSizeZero", Base::kStream, [](Fixture& f) { Put(f.file, GrainMarkerLayout::kDataBytes, 0U, f.grains[0]); },
     kCorrupt, "size"},
    {"MarkerSizeMax", Base::kStream, [](Fixture& f) { Put(f.file, GrainMarkerLayout::kDataBytes, ~0U, f.grains[0]); },
     kCorrupt, "size"},
    {"StreamCutInsideAGrain", Base::kStream,
     [](Fixture& f) { Put(f.file, GrainMarkerLayout::kDataBytes, 100U, f.grains[0]); }, kCorrupt, "guest offset 0"},
    {"DataDamaged", Base::kStream, [](Fixture& f) { f.file[f.grains[0] + 200] ^= std::byte{0xFF}; }, kCorrupt,
     "guest offset 0"},
    {"CowdVersion", Base::kCowd, Set(C::kVersion, 2U), kUnsupported, "version"},
    {"CowdCapacityZero", Base::kCowd, Set(C::kCapacity, 0U), kCorrupt, "numSectors"},
    {"CowdCapacityOther", Base::kCowd, Set(C::kCapacity, 100U), kCorrupt, "capacity"},
    {"CowdCapacityMax", Base::kCowd, Set(C::kCapacity, ~0U), kCorrupt, "numGDEntries"},
    {"CowdGrainZero", Base::kCowd, Set(C::kGrainSize, 0U), kCorrupt, "grainSize"},
    {"CowdGrainMax", Base::kCowd, Set(C::kGrainSize, ~0U), kCorrupt, "grainSize"},
    {"CowdDirectoryZero", Base::kCowd, Set(C::kDirectoryOffset, 0U), kCorrupt, "gdOffset"},
    {"CowdDirectoryMax", Base::kCowd, Set(C::kDirectoryOffset, ~0U), kCorrupt, "gdOffset"},
    {"CowdEntriesZero", Base::kCowd, Set(C::kDirectoryEntries, 0U), kCorrupt, "numGDEntries"},
    {"CowdEntriesMax", Base::kCowd, Set(C::kDirectoryEntries, ~0U), kCorrupt, "numGDEntries"},
    {"CowdCut", Base::kCowd, [](Fixture& f) { f.file.resize(100); }, kCorrupt, "whole header"},
    {"CowdGrainOutside", Base::kCowd, [](Fixture& f) { Put32(f.file, f.table, 0x7FFFFFFF); }, kCorrupt, "entry"},
    {"SeSparseMagic", Base::kSeSparse, Set(E::kMagic, kSeSparseMagic + 1), ErrorKind::kNotThisFormat, ""},
    {"SeSparseVersion", Base::kSeSparse, Set(E::kVersion, kSeSparseVersion + 1), kUnsupported, "version"},
    {"SeSparseCapacityZero", Base::kSeSparse, Set(E::kCapacity, std::uint64_t{0}), kCorrupt, "capacity"},
    {"SeSparseCapacityMax", Base::kSeSparse, Set(E::kCapacity, ~std::uint64_t{0}), kCorrupt, "capacity"},
    {"SeSparseGrain", Base::kSeSparse, Set(E::kGrainSize, std::uint64_t{16}), kUnsupported, "grain_size"},
    {"SeSparseTable", Base::kSeSparse, Set(E::kGrainTableSize, std::uint64_t{128}), kUnsupported, "grain_table_size"},
    {"SeSparseFlags", Base::kSeSparse, Set(E::kFlags, std::uint64_t{1}), kUnsupported, "flags"},
    {"SeSparseReserved1", Base::kSeSparse, Set(E::kReserved1, std::uint64_t{1}), kUnsupported, "reserved1"},
    {"SeSparseReserved4", Base::kSeSparse, Set(E::kReserved4, std::uint64_t{1}), kUnsupported, "reserved4"},
    {"SeSparsePadding", Base::kSeSparse, [](Fixture& f) { f.file[511] = std::byte{1}; }, kUnsupported, "padding"},
    {"SeSparseVolatileOutside", Base::kSeSparse, Set(E::kVolatileHeaderOffset, kFar), kCorrupt,
     "volatile_header_offset"},
    {"SeSparseVolatileMagic", Base::kSeSparse, [](Fixture& f) { Put64(f.file, 512, 1); }, kCorrupt, "magic"},
    {"SeSparseJournal", Base::kSeSparse, [](Fixture& f) { Put64(f.file, 512 + 24, 1); }, kUnsupported,
     "replay_journal"},
    {"SeSparseDirectoryOutside", Base::kSeSparse, Set(E::kDirectoryOffset, kFar), kCorrupt, "grain_dir_offset"},
    {"SeSparseDirectorySizeMax", Base::kSeSparse, Set(E::kDirectorySize, ~std::uint64_t{0}), kCorrupt,
     "grain_dir_offset"},
    {"SeSparseDirectorySizeZero", Base::kSeSparse, Set(E::kDirectorySize, std::uint64_t{0}), kCorrupt, "capacity"},
    {"SeSparseTablesOutside", Base::kSeSparse, Set(E::kGrainTablesOffset, kFar), kCorrupt, "grain_tables_offset"},
    {"SeSparseGrainsOutside", Base::kSeSparse, Set(E::kGrainsOffset, kFar), kCorrupt, "grains_offset"},
    {"SeSparseCut", Base::kSeSparse, [](Fixture& f) { f.file.resize(100); }, kCorrupt, "whole header"},
    {"SeSparseDirectoryKind", Base::kSeSparse, [](Fixture& f) { Put64(f.file, f.directory, std::uint64_t{2} << 60); },
     kCorrupt, "entry"},
    {"SeSparseTableNumber", Base::kSeSparse,
     [](Fixture& f) { Put64(f.file, f.directory, std::uint64_t{1} << 60 | 0xFFFFFFFF); }, kCorrupt, "entry"},
    {"SeSparseGrainKind", Base::kSeSparse, [](Fixture& f) { Put64(f.file, f.table, std::uint64_t{9} << 60); }, kCorrupt,
     "entry"},
    {"SeSparseGrainNumber", Base::kSeSparse, [](Fixture& f) { Put64(f.file, f.table, std::uint64_t{0x3FFF} << 48 | 99); },
     kCorrupt, "entry"},
    {"SeSparseGrainFarthest", Base::kSeSparse,
     [](Fixture& f) { Put64(f.file, f.table, std::uint64_t{4} << 60 | 0); Put64(f.file, f.table, 0x3FFFFFFFFFFFFFFF); },
     kCorrupt, "entry"},
};

class DamagedVmdk : public testing::TestWithParam<Damage> {};

TEST_P(DamagedVmdk, IsRefusedByName) {
  Fixture fixture = MakeBase(GetParam().base);
  ASSERT_TRUE(ReadGuest(FilesOf(GetParam().base, fixture.file), "disk.vmdk").ok());
  GetParam().apply(fixture);
  const auto guest = ReadGuest(FilesOf(GetParam().base, fixture.file), "disk.vmdk");
  ASSERT_FALSE(guest.ok());
  EXPECT_EQ(guest.error().kind(), GetParam().kind) << guest.error().Describe();
  EXPECT_EQ(guest.error().field(), GetParam().field) << guest.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, DamagedVmdk, testing::ValuesIn(kDamages),
                         [](const auto& param) { return param.param.name; });

// What the copies of directory and tables are for.
TEST(RedundantTables, AreReadWhenThePrimaryIsDamaged) {
  const std::function<void(Fixture&)> damages[] = {
      [](Fixture& f) { Put32(f.file, f.directory, 0x7FFFFFFF); },
      [](Fixture& f) { Put(f.file, S::kDirectoryOffset, kFar); },
      [](Fixture& f) { Put(f.file, S::kDirectoryOffset, std::uint64_t{0}); },
      [](Fixture& f) { Put32(f.file, f.table, 0x7FFFFFFF); },
  };
  int number = 0;
  for (const auto& damage : damages) {
    SCOPED_TRACE(number++);
    Fixture fixture = MakeBase(Base::kSparse);
    damage(fixture);
    const Files files = FilesOf(Base::kSparse, fixture.file);
    const auto guest = ReadGuest(files, "disk.vmdk");
    ASSERT_TRUE(guest.ok()) << guest.error().Describe();
    EXPECT_TRUE(guest.value() == fixture.guest);
    EXPECT_FALSE(ReadGuest(files, "disk.vmdk", {.dialect = Dialect::kQemu}).ok()) << "qemu knows no copies";
    const auto opened = OpenFiles(files, "disk.vmdk");
    const Detail* said = opened.value().layers.front().image->info().further.Find("read-by-redundant-directory");
    EXPECT_EQ(said != nullptr, number < 4) << "of the directory, not of one entry";
  }
}

struct BadText {
  const char* name;
  std::string type;
  std::string lines;
  ErrorKind kind;
  const char* field;
};
void PrintTo(const BadText& bad, std::ostream* out) { *out << bad.name; }

const BadText kBadTexts[] = {
    {"NoType", "", "RW 1 FLAT \"flat\" 0\n", kCorrupt, "createType"},
    {"FullDevice", "fullDevice", "RW 1 FLAT \"flat\" 0\n", kUnsupported, "createType"},
    {"RawDeviceMapping", "vmfsRDM", "RW 1 VMFSRDM \"flat\"\n", kUnsupported, "createType"},
    {"RawExtent", "custom", "RW 1 VMFSRAW \"flat\"\n", kUnsupported, "extent type"},
    {"RdmExtent", "custom", "RW 1 VMFSRDM \"flat\"\n", kUnsupported, "extent type"},
    {"UnknownExtent", "custom", "RW 1 NOTHING \"flat\"\n", kUnsupported, "extent type"},
    {"NoAccess", "custom", "NOACCESS 1 FLAT \"flat\" 0\n", kUnsupported, "extent type"},
    {"NoExtents", "monolithicFlat", "", kCorrupt, "extent description"},
    {"OnlyEmptyExtents", "monolithicFlat", "RW 0 FLAT \"flat\" 0\n", kCorrupt, "extent description"},
    {"FileMissing", "monolithicFlat", "RW 1 FLAT \"nowhere\" 0\n", ErrorKind::kIo, ""},
    {"FileTooShort", "monolithicFlat", "RW 3 FLAT \"flat\" 0\n", kCorrupt, "extent description"},
    {"OffsetOutside", "monolithicFlat", "RW 1 FLAT \"flat\" 2\n", kCorrupt, "extent description"},
    {"OffsetMax", "monolithicFlat", "RW 1 FLAT \"flat\" 18446744073709551615\n", kCorrupt, "extent description"},
    {"SectorsMax", "monolithicFlat", "RW 18446744073709551615 FLAT \"flat\" 0\n", kCorrupt, "extent description"},
    {"ZerosTooLarge", "custom", "RW 9000000000000000 ZERO\nRW 9000000000000000 ZERO\n", kCorrupt, "extent description"},
    {"SparseIsFlat", "twoGbMaxExtentSparse", "RW 1 SPARSE \"flat\"\n", ErrorKind::kNotThisFormat, ""},
    {"SparseOfAnotherSize", "twoGbMaxExtentSparse", "RW 100 SPARSE \"sparse\"\n", kCorrupt, "capacity"},
    {"Itself", "twoGbMaxExtentSparse", "RW 1 SPARSE \"disk.vmdk\"\n", ErrorKind::kNotThisFormat, ""},
};

class HostileDescriptor : public testing::TestWithParam<BadText> {};

TEST_P(HostileDescriptor, IsRefusedByName) {
  const Files files = {{"flat", Bytes(1024)},
                       {"sparse", MakeSparse(SpecOf(Base::kSparse)).file},
                       {"disk.vmdk", ToBytes(DescriptorText(GetParam().type, GetParam().lines))}};
  const auto guest = ReadGuest(files, "disk.vmdk");
  ASSERT_FALSE(guest.ok());
  EXPECT_EQ(guest.error().kind(), GetParam().kind) << guest.error().Describe();
  EXPECT_EQ(guest.error().field(), GetParam().field) << guest.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, HostileDescriptor, testing::ValuesIn(kBadTexts),
                         [](const auto& param) { return param.param.name; });

TEST(VmdkFiles, OneExtentAloneIsRefused) {
  SparseSpec spec = SpecOf(Base::kSparse);
  spec.descriptor.clear();
  SparseSpec empty = spec;
  empty.descriptor = "\n";
  for (const Bytes& bytes : {MakeSparse(spec).file, MakeSparse(empty).file, MakeCowd(spec).file}) {
    const auto guest = ReadGuest({{"disk.vmdk", bytes}}, "disk.vmdk");
    ASSERT_FALSE(guest.ok());
    EXPECT_EQ(guest.error().kind(), kUnsupported);
  }
}

TEST(VmdkFiles, MissingExtentsAreToldWhenOnlyInfoIsWanted) {
  const Files files = {{"disk.vmdk", ToBytes(DescriptorText("monolithicFlat", "RW 8 FLAT \"nowhere\" 0\n"))}};
  const auto opened = OpenFiles(files, "disk.vmdk", {.contents = false});
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  Image& image = *opened.value().layers.front().image;
  EXPECT_EQ(image.info().virtual_size, 4096u);
  EXPECT_NE(image.info().further.Find("missing-extents"), nullptr);
  EXPECT_FALSE(image.Map(0, 512).ok());
  EXPECT_FALSE(OpenFiles(files, "disk.vmdk", {.dialect = Dialect::kQemu, .contents = false}).ok());
}

}  // namespace
}  // namespace platter::test
