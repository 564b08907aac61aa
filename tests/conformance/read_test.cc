// What every reader promises: extents that tile the disk, zeros that are zeros, the same bytes in any piece and on any
// thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/content.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

// No multiple of any cluster size: the last cluster is cut.
constexpr std::uint64_t kDiskSize = (std::uint64_t{2} << 20) + 512 * 5;

class Reader : public testing::TestWithParam<Sample> {
 protected:
  void SetUp() override {
    disk_ = SampleGuest(GetParam(), 42, kDiskSize);
    content_ = disk_.Content();
    auto chain = OpenAlone(GetParam().driver(), SampleInMemory(GetParam(), disk_));
    ASSERT_TRUE(chain.ok()) << chain.error().Describe();
    chain_.push_back(std::move(chain).value());
  }
  const Chain& chain() const { return chain_.front(); }

  // Reads `count` pieces at random places and counts those that differ from the disk.
  int WrongPieces(std::uint64_t seed, int count) const {
    Random random(seed);
    int wrong = 0;
    std::vector<std::byte> piece;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t at = random.Below(kDiskSize);
      piece.resize(1 + random.Below(std::min<std::uint64_t>(kDiskSize - at, 150'000)));
      const auto read = chain().ReadAt(at, piece);
      if (!read.ok() || !SameBytes(piece, std::span(content_).subspan(at, piece.size()))) ++wrong;
    }
    return wrong;
  }

  GuestDisk disk_;
  std::vector<std::byte> content_;

 private:
  std::vector<Chain> chain_;
};

TEST_P(Reader, MapTilesTheDiskExactly) {
  ASSERT_EQ(chain().virtual_size(), kDiskSize);
  for (std::uint64_t at = 0; at < kDiskSize;) {
    const auto extent = chain().Map(at, kDiskSize - at);
    ASSERT_TRUE(extent.ok()) << extent.error().Describe();
    ASSERT_EQ(extent.value().offset, at);
    ASSERT_GE(extent.value().length, 1u);
    ASSERT_LE(extent.value().end(), kDiskSize);
    at = extent.value().end();
  }
  EXPECT_FALSE(chain().Map(kDiskSize, 1).ok());
  EXPECT_FALSE(chain().Map(0, kDiskSize + 1).ok());
  EXPECT_FALSE(chain().Map(1, ~std::uint64_t{0}).ok());
}

TEST_P(Reader, ExtentsThatAreNotDataReadAsZero) {
  for (std::uint64_t at = 0; at < kDiskSize;) {
    const Extent extent = chain().Map(at, kDiskSize - at).value();
    const auto bytes = std::span(content_).subspan(at, extent.length);
    if (extent.status != BlockStatus::kData) {
      EXPECT_TRUE(AllZero(bytes)) << "at " << at;
    }
    at = extent.end();
  }
}

TEST_P(Reader, BytesOnTheHostAreTheGuests) {
  std::vector<std::byte> stored;
  for (std::uint64_t at = 0; at < kDiskSize;) {
    const Extent extent = chain().Map(at, kDiskSize - at).value();
    if (extent.status == BlockStatus::kData && extent.host && !extent.compressed) {
      stored.resize(extent.length);
      const auto read = const_cast<Storage*>(extent.host->file)->ReadPadded(extent.host->offset, stored);
      ASSERT_TRUE(read.ok()) << read.error().Describe();
      EXPECT_TRUE(SameBytes(stored, std::span(content_).subspan(at, stored.size()))) << "at " << at;
    }
    at = extent.end();
  }
}

TEST_P(Reader, PiecesAtOddPlacesEqualTheWhole) {
  EXPECT_EQ(Sha256OfGuest(chain()), disk_.Sha256());
  EXPECT_EQ(WrongPieces(1, 100), 0);
  std::byte last{};
  ASSERT_TRUE(chain().ReadAt(kDiskSize - 1, {&last, 1}).ok());
  EXPECT_EQ(last, content_.back());
  EXPECT_FALSE(chain().ReadAt(kDiskSize, {&last, 1}).ok());
}

TEST_P(Reader, ServesManyThreads) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed, &wrong] { wrong += WrongPieces(seed, 25); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Every, Reader, testing::ValuesIn(ReadableSamples()));

}  // namespace
}  // namespace platter::test
