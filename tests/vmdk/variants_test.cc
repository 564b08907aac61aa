// Variants that no tool here writes, built from the specification; qemu-img is the second opinion where it reads them.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/digest.h"
#include "tests/support/temp_dir.h"
#include "tests/vmdk/fixture.h"

namespace platter::test {
namespace {

using namespace platter::vmdk;

SparseSpec WithDescriptor(SparseSpec spec, const std::string& type = "monolithicSparse") {
  spec.descriptor = DescriptorText(type, fmt::format("RW {} SPARSE \"disk.vmdk\"\n", spec.capacity));
  return spec;
}

struct Made {
  Files files;
  Bytes guest;
};

Made Embedded(const Fixture& fixture) { return {{{"disk.vmdk", fixture.file}}, fixture.guest}; }

// The extents one after the other, each in a file of its own.
Made Described(const std::string& create_type, const std::string& type, const std::vector<Fixture>& extents) {
  Made made;
  std::string lines;
  for (const Fixture& extent : extents) {
    const std::string name = fmt::format("part{}.vmdk", made.files.size());
    lines += fmt::format("RW {} {} \"{}\"\n", extent.guest.size() / kSectorSize, type, name);
    made.files[name] = extent.file;
    Join(made.guest, extent.guest);
  }
  made.files["disk.vmdk"] = ToBytes(DescriptorText(create_type, lines));
  return made;
}

SparseSpec Small(std::uint64_t grain_sectors, std::uint64_t seed = 1) {
  SparseSpec spec;
  spec.grain_sectors = grain_sectors;
  spec.capacity = grain_sectors * 8 - grain_sectors / 4;
  spec.seed = seed;
  return spec;
}

SparseSpec Whole(std::uint64_t grain_sectors, std::uint64_t seed) {
  SparseSpec spec = Small(grain_sectors, seed);
  spec.capacity = grain_sectors * 8;
  return spec;
}

// Several tables, grains in all of them.
SparseSpec Long(std::uint32_t table_entries) {
  SparseSpec spec = Small(8);
  spec.table_entries = table_entries;
  spec.grains.resize(table_entries + table_entries / 8, Grain::kHole);
  for (std::size_t at = 0; at < spec.grains.size(); at += 37) spec.grains[at] = Grain::kData;
  spec.capacity = spec.grains.size() * 8 - 5;
  return spec;
}

Made FlatWithOffsets() {
  Made made;
  Bytes file(5 * kSectorSize);
  for (std::size_t at = 0; at < file.size(); ++at) file[at] = static_cast<std::byte>(at / kSectorSize + at % 7);
  made.files["flat.bin"] = file;
  made.files["disk.vmdk"] = ToBytes(DescriptorText(
      "monolithicFlat", "RW 2 FLAT \"flat.bin\" 3\nRW 2 FLAT \"flat.bin\" 0\nRW 1 FLAT \"flat.bin\" 2\n"));
  made.guest.assign(file.begin() + 3 * 512, file.end());
  made.guest.insert(made.guest.end(), file.begin(), file.begin() + 3 * 512);
  return made;
}

Made WithZeroExtents() {
  Made made;
  made.files["flat.bin"] = Bytes(2 * kSectorSize, std::byte{7});
  made.files["disk.vmdk"] = ToBytes(
      DescriptorText("custom", "RW 3 ZERO\nRDONLY 2 FLAT \"flat.bin\" 0\nRW 0 FLAT \"flat.bin\" 0\nRW 1 ZERO\n"));
  made.guest = Bytes(6 * kSectorSize);
  std::fill_n(made.guest.begin() + 3 * 512, 2 * 512, std::byte{7});
  return made;
}

// A wrapping with a capacity of 0 around a descriptor of other extents.
Made Wrapped() {
  Made made = Described("twoGbMaxExtentSparse", "SPARSE", {MakeSparse(Small(16))});
  Bytes wrapper(kSectorSize);
  Put(wrapper, SparseHeaderLayout::kMagic, kSparseMagic);
  Put(wrapper, SparseHeaderLayout::kVersion, 1U);
  Put(wrapper, SparseHeaderLayout::kDescriptorOffset, std::uint64_t{1});
  Put(wrapper, SparseHeaderLayout::kDescriptorSize, std::uint64_t{1});
  Join(wrapper, made.files["disk.vmdk"]);
  wrapper.resize(2 * kSectorSize);
  made.files["disk.vmdk"] = wrapper;
  return made;
}

struct VariantCase {
  const char* name;
  std::function<Made()> make;
  bool qemu_reads = true;
};
void PrintTo(const VariantCase& variant, std::ostream* out) { *out << variant.name; }

const VariantCase kVariants[] = {
    {"Sparse", [] { return Embedded(MakeSparse(WithDescriptor({}))); }},
    {"SmallGrains", [] { return Embedded(MakeSparse(WithDescriptor(Small(8)))); }},
    {"GrainOfOneSector", [] { return Embedded(MakeSparse(WithDescriptor(Small(1)))); }},
    {"LargeGrains", [] { return Embedded(MakeSparse(WithDescriptor(Small(1024)))); }},
    {"SmallTables", [] { return Embedded(MakeSparse(WithDescriptor(Long(128)))); }},
    {"ManyTables", [] { return Embedded(MakeSparse(WithDescriptor(Long(512)))); }},
    {"OneDirectory",
     [] {
       SparseSpec spec;
       spec.redundant = false;
       return Embedded(MakeSparse(WithDescriptor(spec)));
     }},
    {"Version2",
     [] {
       SparseSpec spec;
       spec.version = 2;
       return Embedded(MakeSparse(WithDescriptor(spec)));
     }},
    {"Backwards",
     [] {
       SparseSpec spec;
       spec.backwards = true;
       return Embedded(MakeSparse(WithDescriptor(spec)));
     }},
    {"Stream", [] { return Embedded(MakeStream(WithDescriptor({}, "streamOptimized"))); }},
    {"StreamOfManyTables", [] { return Embedded(MakeStream(WithDescriptor(Long(512), "streamOptimized"))); }},
    {"StreamBackwards",
     [] {
       SparseSpec spec;
       spec.backwards = true;
       return Embedded(MakeStream(WithDescriptor(spec, "streamOptimized")));
     }},
    {"StreamVersion3",
     [] {
       SparseSpec spec;
       spec.version = 3;
       return Embedded(MakeStream(WithDescriptor(spec, "streamOptimized")));
     }},
    // qemu looks for the footer by the size of the descriptor file.
    {"StreamsInExtents",
     [] {
       return Described("twoGbMaxExtentSparse", "SPARSE", {MakeStream(Whole(128, 1)), MakeStream(Whole(128, 2))});
     },
     false},
    {"SparseExtents",
     [] {
       return Described("twoGbMaxExtentSparse", "SPARSE", {MakeSparse(Whole(128, 1)), MakeSparse(Whole(128, 2))});
     }},
    // qemu takes the rest of a cut grain for guest disk.
    {"ExtentsThatEndInsideAGrain",
     [] {
       return Described("twoGbMaxExtentSparse", "SPARSE", {MakeSparse(Small(128, 1)), MakeSparse(Small(128, 2))});
     },
     false},
    {"ExtentsOfDifferentGrains",
     [] {
       return Described("twoGbMaxExtentSparse", "SPARSE", {MakeSparse(Whole(128, 1)), MakeSparse(Whole(16, 2))});
     }},
    {"Cowd", [] { return Described("vmfsSparse", "VMFSSPARSE", {MakeCowd(Small(1))}); }},
    {"CowdGrainIsNoPowerOfTwo", [] { return Described("vmfsSparse", "VMFSSPARSE", {MakeCowd(Small(24))}); }},
    {"CowdOfManyTables",
     [] {
       SparseSpec spec = Long(4096);
       spec.grain_sectors = 1;
       spec.capacity = spec.grains.size();
       return Described("vmfsSparse", "VMFSSPARSE", {MakeCowd(spec)});
     }},
    {"SeSparse", [] { return Described("seSparse", "SESPARSE", {MakeSeSparse(Small(8))}); }},
    {"SeSparseOfManyTables",
     [] {
       SparseSpec spec = Long(4096);
       return Described("seSparse", "SESPARSE", {MakeSeSparse(spec)});
     }},
    {"Vmfs",
     [] {
       return Made{{{"flat.bin", Bytes(1024, std::byte{3})},
                    {"disk.vmdk", ToBytes(DescriptorText("vmfs", "RW 2 VMFS \"flat.bin\"\n"))}},
                   Bytes(1024, std::byte{3})};
     }},
    {"FlatWithOffsets", FlatWithOffsets},
    {"ZeroExtents", WithZeroExtents, false},
    {"Wrapped", Wrapped, false},
    {"EncodedNames",
     [] {
       return Made{
           {{"M\xC3\xBCll.bin", Bytes(512, std::byte{5})},
            {"disk.vmdk", ToBytes(DescriptorText("vmfs", "RW 1 VMFS \"M\xFCll.bin\"\nencoding=\"windows-1252\"\n"))}},
           Bytes(512, std::byte{5})};
     },
     false},
};

class FromTheSpecification : public testing::TestWithParam<VariantCase> {};

TEST_P(FromTheSpecification, IsRead) {
  Made made = GetParam().make();
  const auto guest = ReadGuest(made.files, "disk.vmdk");
  ASSERT_TRUE(guest.ok()) << guest.error().Describe();
  EXPECT_EQ(guest.value().size(), made.guest.size());
  EXPECT_TRUE(guest.value() == made.guest);
}

// Byte by byte and in odd pieces.
TEST_P(FromTheSpecification, IsReadInPieces) {
  Made made = GetParam().make();
  const auto opened = OpenFiles(made.files, "disk.vmdk");
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  const Chain chain = opened.value().chain();
  Bytes piece(4999);
  for (std::uint64_t at = 0; at < made.guest.size(); at += piece.size()) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), made.guest.size() - at));
    ASSERT_TRUE(chain.ReadAt(at, part).ok());
    ASSERT_TRUE(SameBytes(part, std::span(made.guest).subspan(at, part.size()))) << at;
  }
}

TEST_P(FromTheSpecification, IsReadByQemuWithTheSameMap) {
  if (!GetParam().qemu_reads) return;
  const Made made = GetParam().make();
  const TempDir folder;
  for (const auto& [name, bytes] : made.files) {
    std::ofstream file(folder.File(name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  const OpenedChain opened = OpenImageChain(folder.File("disk.vmdk"), "vmdk");
  ASSERT_FALSE(opened.layers.empty());
  MustRun({"qemu-img", "convert", "-f", "vmdk", "-O", "raw", folder.File("disk.vmdk"), folder.File("out.raw")});
  EXPECT_EQ(Sha256OfBytes(made.guest), Sha256OfFile(folder.File("out.raw")));
  EXPECT_EQ(MapText(opened.chain()), MustRun({"qemu-img", "map", "--output=json", folder.File("disk.vmdk")}));
}

INSTANTIATE_TEST_SUITE_P(All, FromTheSpecification, testing::ValuesIn(kVariants),
                         [](const auto& param) { return param.param.name; });

TEST(VmdkChains, ReadTheParentThroughTheChild) {
  SparseSpec base = Small(16, 1);
  base.descriptor = DescriptorText("monolithicSparse", "RW 124 SPARSE \"base.vmdk\"\n", 0xAAAA);
  SparseSpec child = Small(16, 2);
  child.grains = {Grain::kHole, Grain::kData, Grain::kZero};
  child.descriptor = DescriptorText("monolithicSparse", "RW 124 SPARSE \"disk.vmdk\"\n", 0xBBBB, 0xAAAA) +
                     "parentFileNameHint=\"base.vmdk\"\n";
  const Fixture lower = MakeSparse(base);
  const Fixture upper = MakeSparse(child);
  Bytes expected = lower.guest;
  std::copy_n(upper.guest.begin() + 16 * 512, 32 * 512, expected.begin() + 16 * 512);
  Files files = {{"base.vmdk", lower.file}, {"disk.vmdk", upper.file}};
  const auto guest = ReadGuest(files, "disk.vmdk");
  ASSERT_TRUE(guest.ok()) << guest.error().Describe();
  EXPECT_TRUE(guest.value() == expected);

  base.descriptor = DescriptorText("monolithicSparse", "RW 124 SPARSE \"base.vmdk\"\n", 0xCCCC);
  files["base.vmdk"] = MakeSparse(base).file;
  const auto changed = ReadGuest(files, "disk.vmdk");
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().kind(), ErrorKind::kCorrupt);
}

TEST(VmdkChains, ParentWithoutANameIsRefused) {
  SparseSpec spec = Small(16);
  spec.descriptor = DescriptorText("monolithicSparse", "RW 124 SPARSE \"disk.vmdk\"\n", 0xBBBB, 0xAAAA);
  const Files files = {{"disk.vmdk", MakeSparse(spec).file}};
  const auto guest = ReadGuest(files, "disk.vmdk");
  ASSERT_FALSE(guest.ok());
  EXPECT_EQ(guest.error().field(), "parentFileNameHint");
  EXPECT_TRUE(OpenFiles(files, "disk.vmdk", {.contents = false}).ok());
}

}  // namespace
}  // namespace platter::test
