// What Image and CountDataUnits make of what a layer's Map says.
#include "formats/core/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/data_units.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"

namespace platter {
namespace {

constexpr std::uint64_t kUnit = 512;

// Host bytes of a unit whose letter is a capital are a hole.
class HoleyStorage : public MemoryStorage {
 public:
  explicit HoleyStorage(std::string letters) : letters_(std::move(letters)) {
    std::vector<std::byte> bytes;
    for (const char letter : letters_) bytes.insert(bytes.end(), kUnit, static_cast<std::byte>(letter));
    EXPECT_TRUE(WriteAt(0, bytes).ok());
  }

 protected:
  Result<DataRun> DoDataMap(std::uint64_t offset) override {
    return DataRun{kUnit - offset % kUnit, letters_[offset / kUnit] >= 'a'};
  }

 private:
  std::string letters_;
};

// One unit per letter, at its place in the file: 'z' zero, '.' unallocated, anything else data.
class LetterImage : public Image {
 public:
  LetterImage(std::string letters, std::shared_ptr<Storage> file, bool maybe_hole)
      : letters_(std::move(letters)), file_(std::move(file)), maybe_hole_(maybe_hole) {
    info_.virtual_size = letters_.size() * kUnit;
  }
  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {file_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const char letter = letters_[range.offset() / kUnit];
    LayerExtent extent{.length = std::min(kUnit - range.offset() % kUnit, range.length())};
    if (letter == 'z') extent.status = BlockStatus::kZero;
    if (letter == '.') extent.status = BlockStatus::kUnallocated;
    if (extent.status != BlockStatus::kData) return extent;
    extent.host = HostSpot{file_.get(), range.offset()};
    extent.maybe_hole = maybe_hole_;
    return extent;
  }
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return ReadMapped(*file_, range, out); }

 private:
  std::string letters_;
  std::shared_ptr<Storage> file_;
  bool maybe_hole_;
  ImageInfo info_;
};

std::shared_ptr<Image> ImageOf(const std::string& letters, bool maybe_hole = false) {
  return std::make_shared<LetterImage>(letters, std::make_shared<HoleyStorage>(letters), maybe_hole);
}

TEST(ReadMapped, ReadsDataAndFillsTheRestWithZeros) {
  const auto image = ImageOf("ab.zc");
  std::vector<std::byte> all(5 * kUnit, std::byte{0xEE});
  ASSERT_TRUE(image->ReadAt(0, all).ok());
  std::string units;
  for (std::size_t at = 0; at < all.size(); at += kUnit) {
    EXPECT_EQ(all[at], all[at + kUnit - 1]);
    units += all[at] == std::byte{0} ? '0' : static_cast<char>(all[at]);
  }
  EXPECT_EQ(units, "ab00c");
  std::vector<std::byte> middle(kUnit + 200, std::byte{0xEE});
  ASSERT_TRUE(image->ReadAt(kUnit - 100, middle).ok());
  EXPECT_TRUE(std::ranges::equal(middle, std::span(all).subspan(kUnit - 100, middle.size())));
}

TEST(ReadMapped, HandsOnWhatTheFileAnswers) {
  const auto file = std::make_shared<FaultyStorage>(std::make_shared<HoleyStorage>("aaa"), FaultPlan{.fail_read = 1});
  LetterImage image("aaa", file, false);
  std::vector<std::byte> all(3 * kUnit);
  EXPECT_EQ(image.ReadAt(0, all).error().kind(), ErrorKind::kIo);
}

struct CountCase {
  const char* name;
  const char* letters;
  std::uint64_t unit;
  std::uint64_t whole;   // counted of preallocated extents, too
  std::uint64_t stored;  // without the holes in them
};
void PrintTo(const CountCase& tested, std::ostream* out) { *out << tested.name; }

class CountsDataUnits : public testing::TestWithParam<CountCase> {};

TEST_P(CountsDataUnits, EachOnce) {
  const Chain chain({ImageOf(GetParam().letters, true)});
  EXPECT_EQ(CountDataUnits(chain, GetParam().unit, Preallocated::kWhole).value(), GetParam().whole);
  EXPECT_EQ(CountDataUnits(chain, GetParam().unit, Preallocated::kStored).value(), GetParam().stored);
  const Chain written({ImageOf(GetParam().letters, false)});
  EXPECT_EQ(CountDataUnits(written, GetParam().unit, Preallocated::kStored).value(), GetParam().whole);
}

INSTANTIATE_TEST_SUITE_P(
    All, CountsDataUnits,
    testing::Values(CountCase{"Nothing", "z.z.", kUnit, 0, 0}, CountCase{"Everything", "aaaa", 2 * kUnit, 2, 2},
                    CountCase{"SharedUnit", "a.a.", 4 * kUnit, 1, 1},
                    CountCase{"EndOfTheDisk", "...ab", 4 * kUnit, 2, 2}, CountCase{"OddUnit", "a..a.a", 1000, 4, 4},
                    CountCase{"Holes", "aAAb.A", kUnit, 5, 2}, CountCase{"HolesInAUnit", "aAAAAa", 3 * kUnit, 2, 2},
                    CountCase{"OnlyHoles", "AAAA", 2 * kUnit, 2, 0}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace platter
