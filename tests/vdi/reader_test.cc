// Reading: what qemu made equals what qemu reads; variants that no tool here writes are fixtures.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/open.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"
#include "tests/vdi/images.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = (std::uint64_t{5} << 20) + 1536;
constexpr std::uint32_t kNever = 0xFFFFFFFF;
constexpr std::uint32_t kZeroBlock = 0xFFFFFFFE;
constexpr std::uint64_t kBlock = Fixture::kBlock;

class ReadsQemusVdi : public testing::TestWithParam<const char*> {};

TEST_P(ReadsQemusVdi, WithItsContentAndMap) {
  const TempDir folder;
  const std::string path = folder.File("disk.vdi");
  const GuestDisk disk = RandomGuest(21, kDiskSize);
  MustRun({"qemu-img", "create", "-q", "-f", "vdi", "-o", GetParam(), path, std::to_string(kDiskSize)});
  WriteWithQemuIo(disk, path, "vdi", 4);
  const OpenedChain opened = OpenImageChain(path, "vdi");
  ASSERT_FALSE(opened.layers.empty());
  EXPECT_EQ(Sha256OfGuest(opened.chain()), disk.Sha256());
  EXPECT_EQ(MapText(opened.chain()), MustRun({"qemu-img", "map", "--output=json", path}));
}

INSTANTIATE_TEST_SUITE_P(All, ReadsQemusVdi, testing::Values("static=off", "static=on"));

TEST(VdiReader, ReadsMarksPlacesAndOldVersions) {
  for (const std::uint16_t minor : {std::uint16_t{0}, std::uint16_t{1}}) {
    const auto image =
        OpenVdi(InMemory(Fixture{.minor_version = minor, .entries = {1, kNever, 0, kZeroBlock}, .stored = 2}.Bytes()));
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    const auto content = Content(*image.value());
    ASSERT_TRUE(content.ok()) << content.error().Describe();
    std::vector<std::byte> expected(4 * kBlock);
    std::fill_n(expected.begin(), kBlock, std::byte{2});
    std::fill_n(expected.begin() + 2 * kBlock, kBlock, std::byte{1});
    EXPECT_EQ(content.value(), expected);
  }
}

TEST(VdiReader, PassesOverDataInFrontOfBlocks) {
  const auto image = OpenVdi(InMemory(Fixture{.extra = 512, .entries = {1, 0}, .stored = 2}.Bytes()));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const auto content = Content(*image.value());
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content.value()[0], std::byte{2});
  EXPECT_EQ(content.value()[kBlock - 1], std::byte{2});
  EXPECT_EQ(content.value()[kBlock], std::byte{1});
  const auto extent = image.value()->Map(0, 2 * kBlock);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent.value().host->offset, 1024 + kBlock + 512 + 512);
}

// Version 0.1: the map at 420, the blocks right behind it.
TEST(VdiReader, ReadsTheFirstHeader) {
  std::vector<std::byte> bytes(420 + 8 + kBlock, std::byte{7});
  std::fill_n(bytes.begin(), 420, std::byte{0});
  Poke<std::uint32_t>(bytes, 64, 0xBEDA107F);
  Poke<std::uint32_t>(bytes, 68, 1);
  Poke<std::uint32_t>(bytes, 72, 1);
  Poke<std::uint32_t>(bytes, 348, 512);
  Poke<std::uint64_t>(bytes, 352, 2 * kBlock);
  Poke<std::uint32_t>(bytes, 360, kBlock);
  Poke<std::uint32_t>(bytes, 364, 2);
  Poke<std::uint32_t>(bytes, 368, 1);
  Poke<std::uint32_t>(bytes, 420, kNever);
  Poke<std::uint32_t>(bytes, 424, 0);
  const auto image = OpenVdi(InMemory(bytes));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const auto content = Content(*image.value());
  ASSERT_TRUE(content.ok()) << content.error().Describe();
  EXPECT_EQ(content.value()[kBlock - 1], std::byte{0});
  EXPECT_EQ(content.value()[kBlock], std::byte{7});
  EXPECT_EQ(content.value()[2 * kBlock - 1], std::byte{7});
}

struct EntryCase {
  const char* name;
  std::vector<std::uint32_t> entries;
  std::uint64_t bad_block;
  bool good;  // the other blocks can be read
};
void PrintTo(const EntryCase& tested, std::ostream* out) { *out << tested.name; }

class WrongEntry : public testing::TestWithParam<EntryCase> {};

TEST_P(WrongEntry, IsRefusedByWhoReadsItsBlock) {
  const auto image = OpenVdi(InMemory(Fixture{.entries = GetParam().entries, .stored = 2}.Bytes()));
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  std::vector<std::byte> block(kBlock);
  for (std::uint64_t index = 0; index < GetParam().entries.size(); ++index) {
    const auto read = image.value()->ReadAt(index * kBlock, block);
    if (index != GetParam().bad_block) {
      EXPECT_TRUE(read.ok() || !GetParam().good) << index;
      continue;
    }
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind(), ErrorKind::kCorrupt);
    EXPECT_EQ(read.error().field(), "entry " + std::to_string(index));
  }
}

INSTANTIATE_TEST_SUITE_P(All, WrongEntry,
                         testing::Values(EntryCase{"BehindTheFile", {0, 1, 2}, 2, true},
                                         EntryCase{"BehindTheMap", {0, 1, 3}, 2, true},
                                         EntryCase{"Largest", {0xFFFFFFFD, 1, 0}, 0, true},
                                         EntryCase{"Repeated", {0, 1, 0}, 2, false},
                                         EntryCase{"RepeatedFirst", {0, 1, 0}, 0, false}),
                         [](const auto& tested) { return tested.param.name; });

// A chain of files: grandparent, parent, child in Snapshots/.
class VdiParents : public testing::Test {
 protected:
  void Store(const std::string& name, const Fixture& fixture) {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    const auto bytes = fixture.Bytes();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  TempDir folder_;
};

TEST_F(VdiParents, AreFoundByTheirUuid) {
  Store("other.vdi", {.entries = {0}, .stored = 1, .uuid = 9});
  Store("base.VDI", {.entries = {0, 1, kNever, 2}, .stored = 3, .uuid = 1});
  Store("middle.vdi",
        {.type = 4, .entries = {kNever, 0, kNever, kZeroBlock}, .stored = 1, .uuid = 2, .parent = 1, .fill = 16});
  Store("Snapshots/top.vdi",
        {.type = 4, .entries = {kNever, kNever, 0, kNever}, .stored = 1, .uuid = 3, .parent = 2, .fill = 32});
  const OpenedChain opened = OpenImageChain(folder_.File("Snapshots/top.vdi"), "vdi");
  ASSERT_EQ(opened.layers.size(), 3u);
  std::vector<std::byte> bytes(4 * kBlock);
  ASSERT_TRUE(opened.chain().ReadAt(0, bytes).ok());
  EXPECT_EQ(bytes[0], std::byte{1}) << "of the base";
  EXPECT_EQ(bytes[kBlock], std::byte{17}) << "of the middle";
  EXPECT_EQ(bytes[2 * kBlock], std::byte{33}) << "of the top";
  EXPECT_EQ(bytes[3 * kBlock], std::byte{0}) << "discarded in the middle";
}

TEST_F(VdiParents, ThatAreMissingAreNamed) {
  Store("other.vdi", {.entries = {0}, .stored = 1, .uuid = 9});
  Store("top.vdi", {.type = 4, .entries = {kNever}, .uuid = 3, .parent = 2});
  const auto chain = TryOpenChain(folder_.File("top.vdi"), "", "vdi");
  ASSERT_FALSE(chain.ok());
  EXPECT_NE(chain.error().Describe().find("02020202-0202-0202-0202-020202020202"), std::string::npos)
      << chain.error().Describe();
}

TEST_F(VdiParents, ThatAreTheirOwnChildrenAreRefused) {
  Store("a.vdi", {.type = 4, .entries = {kNever}, .uuid = 1, .parent = 2});
  Store("b.vdi", {.type = 4, .entries = {kNever}, .uuid = 2, .parent = 1});
  const auto chain = TryOpenChain(folder_.File("a.vdi"), "", "vdi");
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().kind(), ErrorKind::kCorrupt) << chain.error().Describe();
}

TEST_F(VdiParents, AreNotLookedForWhereTheGateDenies) {
  Store("top.vdi", {.type = 4, .entries = {kNever}, .uuid = 3, .parent = 2});
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const std::string path = folder_.File("top.vdi");
  auto top = OpenLayer(path, FileStorage::Open(path, FileMode{}).value(), &Vdi(), context);
  ASSERT_TRUE(top.ok());
  const auto chain = OpenChain(std::move(top).value(), context);
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().kind(), ErrorKind::kDenied);
}

TEST_F(VdiParents, AreRefusedInQemusDialect) {
  const auto image =
      OpenVdi(InMemory(Fixture{.type = 4, .entries = {kNever}, .uuid = 3, .parent = 2}.Bytes()), Dialect::kQemu);
  ASSERT_FALSE(image.ok());
}

}  // namespace
}  // namespace platter::test
