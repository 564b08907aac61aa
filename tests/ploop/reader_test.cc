// Reading single image files: what qemu made equals what qemu reads; what no tool here writes are fixtures.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "formats/open.h"
#include "tests/ploop/images.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = (std::uint64_t{3} << 20) + 1536;
constexpr std::uint64_t kCluster = Fixture::kCluster;

class ReadsQemusPloop : public testing::TestWithParam<const char*> {};

TEST_P(ReadsQemusPloop, WithItsContentAndMap) {
  const TempDir folder;
  const std::string path = folder.File("disk.hdd");
  const GuestDisk disk = RandomGuest(41, kDiskSize);
  MustRun({"qemu-img", "create", "-q", "-f", "parallels", "-o", GetParam(), path, std::to_string(kDiskSize)});
  WriteWithQemuIo(disk, path, "parallels", 4);
  const OpenedChain opened = OpenImageChain(path, "ploop");
  ASSERT_FALSE(opened.layers.empty());
  EXPECT_EQ(Sha256OfGuest(opened.chain()), disk.Sha256());
  EXPECT_EQ(MapText(opened.chain()), MustRun({"qemu-img", "map", "--output=json", path}));
}

INSTANTIATE_TEST_SUITE_P(All, ReadsQemusPloop,
                         testing::Values("cluster_size=1M", "cluster_size=64k", "cluster_size=100k",
                                         "cluster_size=512"));

struct VersionCase {
  const char* name;
  Fixture fixture;
};
void PrintTo(const VersionCase& tested, std::ostream* out) { *out << tested.name; }

class PloopVersions : public testing::TestWithParam<VersionCase> {};

// The second cluster first, a hole, the first one.
TEST_P(PloopVersions, CountEntriesInTheirUnits) {
  const auto image = OpenPloop(InMemory(GetParam().fixture.Bytes()));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const auto content = Content(*image.value());
  ASSERT_TRUE(content.ok()) << content.error().Describe();
  std::vector<std::byte> expected(3 * kCluster);
  std::fill_n(expected.begin(), kCluster, std::byte{2});
  std::fill_n(expected.begin() + 2 * kCluster, kCluster, std::byte{1});
  EXPECT_EQ(content.value(), expected);
  const TempDir folder;
  const auto bytes = GetParam().fixture.Bytes();
  std::ofstream(folder.File("disk.hdd"), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  MustRun({"qemu-img", "convert", "-f", "parallels", "-O", "raw", folder.File("disk.hdd"), folder.File("raw")});
  EXPECT_EQ(Sha256OfFile(folder.File("raw")), Sha256OfBytes(expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, PloopVersions,
    testing::Values(
        VersionCase{"InClusters", {.version = 2, .entries = {2, 0, 1}, .stored = 2}},
        VersionCase{"InSectors", {.version = 1, .entries = {16, 0, 8}, .stored = 2}},
        VersionCase{"BehindTheTable",
                    {.version = 1, .entries = {9, 0, 1}, .stored = 2, .data_sector = 1, .names_data_offset = false}}),
    [](const auto& tested) { return tested.param.name; });

struct EntryCase {
  const char* name;
  int version;
  std::vector<std::uint32_t> entries;
};
void PrintTo(const EntryCase& tested, std::ostream* out) { *out << tested.name; }

class WrongPloopEntry : public testing::TestWithParam<EntryCase> {};

TEST_P(WrongPloopEntry, IsRefusedByWhoReadsItsCluster) {
  const auto image =
      OpenPloop(InMemory(Fixture{.version = GetParam().version, .entries = GetParam().entries, .stored = 2}.Bytes()));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  std::vector<std::byte> cluster(kCluster);
  const auto read = image.value()->ReadAt(0, cluster);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(read.error().field(), "entry 0");
  EXPECT_TRUE(image.value()->ReadAt(kCluster, cluster).ok());
}

INSTANTIATE_TEST_SUITE_P(All, WrongPloopEntry,
                         testing::Values(EntryCase{"Behind", 2, {3, 2}}, EntryCase{"Largest", 2, {0xFFFFFFFF, 2}},
                                         EntryCase{"InHeader", 1, {7, 16}}, EntryCase{"Unaligned", 1, {9, 16}},
                                         EntryCase{"BehindV1", 1, {24, 16}}, EntryCase{"CutShort", 1, {17, 8}},
                                         EntryCase{"Repeated", 2, {1, 0, 1}}),
                         [](const auto& tested) { return tested.param.name; });

TEST(PloopExtension, ItsBitmapsAreRecognised) {
  const auto image = OpenPloop(InMemory(WithExtension(0)));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const Detail* bitmaps = image.value()->info().further.Find("dirty-bitmaps");
  ASSERT_NE(bitmaps, nullptr);
  const auto& list = std::get<Detail::List>(bitmaps->value());
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(std::get<std::uint64_t>(list[0].Find("granularity")->value()), 65536u);
  EXPECT_EQ(std::get<std::string>(list[0].Find("id")->value()), "abababab-abab-abab-abab-abababababab");
}

TEST(PloopExtension, ThatHasToBeUnderstoodIsRefused) {
  const auto image = OpenPloop(InMemory(WithExtension(1)));
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().kind(), ErrorKind::kUnsupported);
}

TEST(PloopExtension, ThatIsDamagedIsRefused) {
  for (const std::size_t at : {0u, 8u, 100u, 4000u}) {
    auto bytes = WithExtension(0);
    bytes[16 * 512 + at] ^= std::byte{1};
    const auto image = OpenPloop(InMemory(bytes));
    ASSERT_FALSE(image.ok()) << at;
    EXPECT_EQ(image.error().kind(), ErrorKind::kCorrupt);
  }
}

constexpr auto kCorrupt = ErrorKind::kCorrupt;

const HeaderCase kHeaderCases[] = {
    {"Magic", 0, 'w', 1, ErrorKind::kNotThisFormat, ""},
    {"VersionZero", 16, 0, 4, ErrorKind::kNotThisFormat, "version"},
    {"VersionThree", 16, 3, 4, ErrorKind::kNotThisFormat, "version"},
    {"TracksZero", 28, 0, 4, kCorrupt, "tracks"},
    {"TracksMax", 28, 0xFFFFFFFF, 4, kCorrupt, "tracks"},
    {"TracksSeven", 28, 7, 4, kCorrupt, "entries"},
    {"EntriesZero", 32, 0, 4, kCorrupt, "entries"},
    {"EntriesFewer", 32, 1, 4, kCorrupt, "entries"},
    {"EntriesOutside", 32, 0x10000, 4, kCorrupt, "entries"},
    {"EntriesMax", 32, 0xFFFFFFFF, 4, kCorrupt, "entries"},
    {"SizePlusOne", 36, 17, 8, kCorrupt, "entries"},
    {"SizeMax", 36, ~std::uint64_t{0}, 8, kCorrupt, "sectors"},
    {"DataOffsetZero", 48, 0, 4, kCorrupt, "data_offset"},
    {"DataOffsetOdd", 48, 9, 4, kCorrupt, "data_offset"},
    {"ExtensionOutside", 56, 1000, 8, kCorrupt, "extension_offset"},
    {"ExtensionMax", 56, ~std::uint64_t{0}, 8, kCorrupt, "extension_offset"},
    {"ExtensionInData", 56, 8, 8, kCorrupt, "magic"},
};

class DamagedPloop : public testing::TestWithParam<HeaderCase> {};

TEST_P(DamagedPloop, IsRefusedByName) {
  ExpectRefusedByName(Ploop(), Fixture{.entries = {1, 2}, .stored = 2}.Bytes(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, DamagedPloop, testing::ValuesIn(kHeaderCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(PloopReader, IgnoresTheUpperHalfOfTheSizeInVersion1) {
  auto bytes = Fixture{.version = 1, .entries = {8}, .stored = 1}.Bytes();
  Poke<std::uint32_t>(bytes, 40, 7);
  const auto image = OpenPloop(InMemory(bytes));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value()->info().virtual_size, kCluster);
}

}  // namespace
}  // namespace platter::test
