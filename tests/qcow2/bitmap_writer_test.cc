#include "formats/qcow2/bitmap_writer.h"

#include <gtest/gtest.h>

#include "formats/open.h"
#include "tests/qcow2/new_image.h"

namespace platter::test {
namespace {

// Bitmaps as a list of bits that are set.
class GivenBitmaps : public Bitmaps {
 public:
  void Add(BitmapInfo info, std::vector<std::uint64_t> bits) {
    infos_.push_back(std::move(info));
    bits_.push_back(std::move(bits));
  }
  const std::vector<BitmapInfo>& bitmaps() const noexcept override { return infos_; }
  Result<> ReadBitmap(std::size_t index, std::uint64_t first_bit, std::span<std::byte> out) override {
    std::ranges::fill(out, std::byte{0});
    for (const std::uint64_t bit : bits_[index]) {
      if (bit < first_bit || bit - first_bit >= out.size() * 8) continue;
      out[(bit - first_bit) / 8] |= std::byte(1 << (bit - first_bit) % 8);
    }
    return Done{};
  }

 private:
  std::vector<BitmapInfo> infos_;
  std::vector<std::vector<std::uint64_t>> bits_;
};

constexpr std::uint64_t kDiskSize = std::uint64_t{8} << 20;

GivenBitmaps ThreeBitmaps() {
  GivenBitmaps bitmaps;
  std::vector<std::uint64_t> many;
  for (std::uint64_t bit = 0; bit < 4096; ++bit) many.push_back(bit);  // one whole cluster of 512 bytes
  many.push_back(9000);
  bitmaps.Add({.name = "fine", .granularity = 512, .automatic = true}, many);
  bitmaps.Add({.name = "coarse", .granularity = 65536}, {0, 5, 127});
  bitmaps.Add({.name = "empty", .granularity = std::uint64_t{1} << 20}, {});
  return bitmaps;
}

class CopiesBitmaps : public testing::TestWithParam<const char*> {
 protected:
  // Makes `Path()` with `bitmaps`.
  void Make(GivenBitmaps& bitmaps) {
    const auto request = NewImageRequest(OpenFile(Path()), kDiskSize, GetParam());
    ASSERT_TRUE(request.ok()) << request.error().Describe();
    auto writer = FindFormat("qcow2")->create(request.value());
    ASSERT_TRUE(writer.ok()) << writer.error().Describe();
    for (std::size_t index = 0; index < bitmaps.bitmaps().size(); ++index) {
      ExpectWritten(writer.value()->bitmap_target()->CopyBitmap(bitmaps, index));
    }
    ExpectWritten(WriteThrough(*writer.value(), RandomGuest(1, kDiskSize, 4096)));
  }
  std::string Path() const { return folder_.File("disk.qcow2"); }

  TempDir folder_;
};

TEST_P(CopiesBitmaps, AsQemuSeesThem) {
  GivenBitmaps bitmaps = ThreeBitmaps();
  Make(bitmaps);
  ExpectClean(Path());
  const std::string info = MustRun({"qemu-img", "info", Path()});
  for (const char* line :
       {"name: fine", "granularity: 512", "[0]: auto", "name: coarse", "granularity: 65536", "name: empty"}) {
    EXPECT_NE(info.find(line), std::string::npos) << line << "\n" << info;
  }
  EXPECT_EQ(info.find("in-use"), std::string::npos);
}

TEST_P(CopiesBitmaps, BitForBit) {
  GivenBitmaps bitmaps = ThreeBitmaps();
  Make(bitmaps);
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto image = FindFormat("qcow2")->open(OpenFile(Path(), FileMode::Access::kRead), context);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  Bitmaps* copies = image.value()->bitmaps();
  ASSERT_NE(copies, nullptr);
  ASSERT_EQ(copies->bitmaps().size(), 3u);
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_EQ(copies->bitmaps()[index].name, bitmaps.bitmaps()[index].name);
    EXPECT_EQ(copies->bitmaps()[index].automatic, bitmaps.bitmaps()[index].automatic);
    std::vector<std::byte> expected(kDiskSize / bitmaps.bitmaps()[index].granularity / 8);
    std::vector<std::byte> found(expected.size());
    ExpectWritten(bitmaps.ReadBitmap(index, 0, expected));
    ExpectWritten(copies->ReadBitmap(index, 0, found));
    EXPECT_TRUE(expected == found) << index;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CopiesBitmaps,
                         testing::Values("", "cluster_size=512", "cluster_size=4k,refcount_bits=1", "cluster_size=2M",
                                         "extended_l2=on"));

TEST(BitmapTarget, RefusesTheSameNameTwice) {
  const TempDir folder;
  const auto request = NewImageRequest(OpenFile(folder.File("disk")), kDiskSize, "");
  ASSERT_TRUE(request.ok());
  auto writer = FindFormat("qcow2")->create(request.value());
  ASSERT_TRUE(writer.ok());
  GivenBitmaps bitmaps = ThreeBitmaps();
  ExpectWritten(writer.value()->bitmap_target()->CopyBitmap(bitmaps, 1));
  const auto again = writer.value()->bitmap_target()->CopyBitmap(bitmaps, 1);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().kind(), ErrorKind::kInvalid);
}

TEST(BitmapTarget, IsNotThereInVersion2) {
  const TempDir folder;
  const auto request = NewImageRequest(OpenFile(folder.File("disk")), kDiskSize, "compat=0.10");
  ASSERT_TRUE(request.ok());
  auto writer = FindFormat("qcow2")->create(request.value());
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writer.value()->bitmap_target(), nullptr);
}

}  // namespace
}  // namespace platter::test
