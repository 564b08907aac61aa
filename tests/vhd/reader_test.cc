// Images built from the specification: footers at either end, sizes, bitmaps, parents.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/support/digest.h"
#include "tests/support/libvhdi.h"
#include "tests/support/temp_dir.h"
#include "tests/vhd/opening.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

constexpr std::byte kA{0xAA};
constexpr std::byte kB{0xBB};

SparseFields TwoBlocks(std::uint32_t type = 3) {
  SparseFields fields;
  fields.footer.size = 10 * kMiB;
  fields.footer.type = type;
  fields.blocks = {{0, {kA}}, {2, {kB}}};
  return fields;
}

struct SizeCase {
  const char* creator;
  FooterFields geometry;
  std::uint64_t ours;
  std::uint64_t qemus;
};

void PrintTo(const SizeCase& wanted, std::ostream* out) { *out << wanted.creator << " " << wanted.geometry.cylinders; }

constexpr std::uint64_t kGeometrySize = std::uint64_t{100} * 4 * 17 * 512;

FooterFields Geometry(std::uint32_t cylinders, std::uint32_t heads, std::uint32_t sectors) {
  return {.cylinders = cylinders, .heads = heads, .sectors = sectors};
}

// What qemu-img 7.2 says of the same footers, and where we know better.
class Sizes : public testing::TestWithParam<SizeCase> {};

TEST_P(Sizes, FollowTheCreator) {
  FooterFields fields = GetParam().geometry;
  fields.creator = GetParam().creator;
  fields.creator.resize(4);
  fields.size = 10 * kMiB;
  const auto storage = InMemory(MakeFixed(fields, kA));
  EXPECT_EQ(SizeOf(TryOpen(storage)), GetParam().ours);
  EXPECT_EQ(SizeOf(TryOpen(storage, "", Dialect::kQemu)), GetParam().qemus);
  EXPECT_EQ(SizeOf(TryOpen(storage, "force_size_calc=current_size")), 10 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(Every, Sizes,
                         testing::Values(SizeCase{"vpc ", Geometry(100, 4, 17), kGeometrySize, kGeometrySize},
                                         SizeCase{"vs  ", Geometry(100, 4, 17), kGeometrySize, kGeometrySize},
                                         SizeCase{"qemu", Geometry(100, 4, 17), kGeometrySize, kGeometrySize},
                                         SizeCase{"vbox", Geometry(100, 4, 17), 10 * kMiB, kGeometrySize},
                                         SizeCase{"d2v", Geometry(100, 4, 17), 10 * kMiB, kGeometrySize},
                                         SizeCase{"qem2", Geometry(100, 4, 17), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"d2v ", Geometry(100, 4, 17), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"win ", Geometry(100, 4, 17), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"tap", Geometry(100, 4, 17), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"CTXS", Geometry(100, 4, 17), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"wa", Geometry(100, 4, 17), 10 * kMiB, kGeometrySize},
                                         SizeCase{"vpc ", Geometry(65535, 16, 255), 10 * kMiB, 10 * kMiB},
                                         SizeCase{"vpc ", Geometry(0, 0, 0), 10 * kMiB, 0},
                                         SizeCase{"vpc ", Geometry(302, 4, 17), 10 * kMiB,
                                                  std::uint64_t{302} * 4 * 17 * 512}));

TEST(Sizes, AreChosenByTheUser) {
  FooterFields fields = Geometry(100, 4, 17);
  fields.size = 10 * kMiB;
  const auto storage = InMemory(MakeFixed(fields, kA));
  EXPECT_EQ(SizeOf(TryOpen(storage, "force_size_calc=chs")), kGeometrySize);
  EXPECT_THAT(ErrorOf(TryOpen(storage, "force_size_calc=auto")),
              testing::HasSubstr("Invalid size calculation mode: 'auto'"));
}

TEST(Footers, OneOfTwoIsEnough) {
  const Bytes sound = MakeSparse(TwoBlocks());
  Bytes no_end(sound.begin(), sound.end() - 512);
  Bytes short_end(sound.begin(), sound.end() - 1);
  Bytes torn_end = sound;
  torn_end[sound.size() - 400] ^= std::byte{1};
  Bytes torn_front = sound;
  torn_front[100] ^= std::byte{1};
  for (const Bytes& file : {sound, no_end, short_end, torn_end, torn_front}) {
    const auto image = TryOpen(InMemory(file));
    ASSERT_EQ(SizeOf(image), 10 * kMiB);
    EXPECT_EQ(ByteAt(*image.value(), 5 * kMiB), kB);
    EXPECT_EQ(image.value()->info().further.Find("footer") != nullptr, file != sound && file != short_end);
  }
}

TEST(Footers, AreFoundAtTheEndOfAFixedDisk) {
  FooterFields fields;
  fields.size = kMiB;
  const Bytes whole = MakeFixed(fields, kA);
  for (const std::size_t missing : {0, 1}) {  // Virtual PC wrote 511 bytes
    const auto storage = InMemory(Bytes(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(missing)));
    EXPECT_EQ(ProbeFormat(*storage).value()->name, "vhd");
    EXPECT_EQ(ProbeFormat(*storage, Dialect::kQemu).value()->name, "raw");
    EXPECT_EQ(SizeOf(TryOpen(storage)), kMiB);
  }
}

TEST(Footers, OfSomethingElseMakeNoVhd) {
  FooterFields fields;
  fields.size = kMiB;
  Bytes longer = MakeFixed(fields, kA);
  longer.insert(longer.begin(), 512, kB);
  Bytes torn = MakeFixed(fields, kA);
  torn[kMiB + 100] ^= std::byte{1};
  for (const Bytes& file : {longer, torn}) EXPECT_EQ(ProbeFormat(*InMemory(file)).value()->name, "raw");
}

TEST(Bitmaps, OfADynamicDiskMakeZeros) {
  SparseFields fields = TwoBlocks();
  fields.blocks[0].bitmap = std::byte{0x0F};
  const auto storage = InMemory(MakeSparse(fields));
  const auto ours = TryOpen(storage);
  ASSERT_EQ(SizeOf(ours), 10 * kMiB);
  EXPECT_EQ(ByteAt(*ours.value(), 3 * 512), std::byte{0});
  EXPECT_EQ(ByteAt(*ours.value(), 4 * 512), kA);
  const auto extent = ours.value()->Map(0, kMiB).value();
  EXPECT_EQ(extent.length, 2048u);
  EXPECT_EQ(extent.status, BlockStatus::kZero);
  // qemu does not look at them.
  const auto as_qemu = TryOpen(storage, "", Dialect::kQemu);
  ASSERT_EQ(SizeOf(as_qemu), 10 * kMiB);
  EXPECT_EQ(ByteAt(*as_qemu.value(), 0), kA);
}

TEST(Blocks, HaveAnySizeThatIsAPowerOfTwo) {
  for (const std::uint64_t size : {std::uint64_t{512}, std::uint64_t{4096}, kMiB / 2, 16 * kMiB}) {
    SparseFields fields = TwoBlocks();
    fields.block_size = size;
    fields.blocks = {{0, {kA}}};
    const auto image = TryOpen(InMemory(MakeSparse(fields)));
    ASSERT_EQ(SizeOf(image), 10 * kMiB) << size;
    EXPECT_EQ(ByteAt(*image.value(), 511), kA);
    EXPECT_EQ(image.value()->info().allocation_unit, size);
    if (size > kMiB) continue;
    EXPECT_EQ(image.value()->Map(size, kMiB / 4).value().length, kMiB / 4);
  }
}

class Chains : public testing::Test {
 protected:
  // A parent full of 0xAA and a child whose first block has every second four sectors of 0xBB.
  void Save(const std::vector<std::pair<std::string, Bytes>>& locators, const std::string& name = "",
            std::byte wanted_id = std::byte{0x22}) const {
    SparseFields parent;
    parent.footer = {.size = 4 * kMiB, .id = std::byte{0x22}};
    parent.blocks = {{0, {kA}}, {1, {kA}}};
    SaveFile(MakeSparse(parent), folder_.File("base.vhd"));
    SparseFields child;
    child.footer = {.size = 4 * kMiB, .type = 4, .id = std::byte{0x33}};
    child.blocks = {{0, {kB, std::byte{0x0F}}}};
    child.parent_id = wanted_id;
    child.parent_name = name;
    child.locators = locators;
    SaveFile(MakeSparse(child), Child());
  }
  std::string Child() const { return folder_.File("child.vhd"); }
  const TempDir& folder() const { return folder_; }

  static std::string Content() {
    Bytes guest(4 * kMiB, kA);
    for (std::size_t at = 0; at < 2 * kMiB; ++at) {
      if (at / 512 % 8 >= 4) guest[at] = kB;
    }
    return Sha256OfBytes(guest);
  }

 private:
  TempDir folder_;
};

TEST_F(Chains, AreFoundThroughEveryKindOfLocator) {
  const std::string url = "file://" + folder().path().string() + "/base.vhd";
  const std::vector<std::vector<std::pair<std::string, Bytes>>> kinds = {
      {{"W2ru", Utf16Le(".\\base.vhd")}},
      {{"W2ku", Utf16Le("C:\\somewhere\\else\\base.vhd")}},
      {{"W2ku", Utf16Le("X:\\lost.vhd")}, {"W2ru", Utf16Le(".\\base.vhd")}},
      {{"Wi2r", Ascii(".\\base.vhd")}},
      {{"MacX", Ascii(url)}},
      {{"MacX", Ascii("file://./ba%73e.vhd")}},
  };
  for (const auto& locators : kinds) {
    Save(locators);
    const auto chain = TryOpenChain(Child());
    ASSERT_TRUE(chain.ok()) << chain.error().Describe();
    EXPECT_EQ(Sha256OfGuest(chain.value().chain()), Content());
  }
  Save({}, "base.vhd");
  const auto chain = TryOpenChain(Child());
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  EXPECT_EQ(Sha256OfGuest(chain.value().chain()), Content());
  EXPECT_EQ(Sha256ByLibvhdi({Child(), folder().File("base.vhd")}), Content());
}

TEST_F(Chains, NeedTheRightParent) {
  Save({{"W2ru", Utf16Le(".\\base.vhd")}}, "", std::byte{0x44});
  const auto chain = TryOpenChain(Child());
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(chain.error().Describe(), testing::HasSubstr("44444444-4444-4444-4444-444444444444"));
}

TEST_F(Chains, AreNoneForQemu) {
  Save({{"W2ru", Utf16Le(".\\base.vhd")}});
  const auto image = TryOpen(FileStorage::Open(Child(), FileMode{.lock = false}).value(), "", Dialect::kQemu);
  ASSERT_EQ(SizeOf(image), 4 * kMiB);
  EXPECT_FALSE(image.value()->info().backing);
  EXPECT_EQ(ByteAt(*image.value(), 0), kB);
  EXPECT_EQ(ByteAt(*image.value(), 3 * kMiB), std::byte{0});
}

TEST(Parents, ThatAreNotNamedAreAnError) {
  EXPECT_THAT(ErrorOf(TryOpen(InMemory(MakeSparse(TwoBlocks(4))))), testing::HasSubstr("does not name its parent"));
}

}  // namespace
}  // namespace platter::test
