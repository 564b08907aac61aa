// What reaches the writer: which units are data, zero or left to the backing file, and what was read for it.
#include <gtest/gtest.h>

#include <ostream>

#include "convert/copy/copy.h"
#include "tests/convert/disks.h"

namespace platter {
namespace {

using test::Layout;
using test::LayoutImage;
using test::OneLayer;
using test::RecordingWriter;

constexpr std::uint64_t kKiB = 1024;
constexpr BlockStatus kData = BlockStatus::kData;
constexpr BlockStatus kZero = BlockStatus::kZero;
constexpr BlockStatus kNone = BlockStatus::kUnallocated;

struct UnitCase {
  const char* name;
  std::vector<Layout> layouts;
  std::uint64_t granularity;
  const char* units;  // as RecordingWriter spells them, units of 4 KiB
  friend std::ostream& operator<<(std::ostream& out, const UnitCase& test) { return out << test.name; }
};

class CopiesUnits : public testing::TestWithParam<UnitCase> {};

TEST_P(CopiesUnits, AsExpected) {
  const Chain source = OneLayer(std::make_shared<LayoutImage>(GetParam().layouts));
  const Chain* const sources[] = {&source};
  RecordingWriter writer({.unit = 4 * kKiB, .batch_alignment = 8 * kKiB, .starts_zeroed = true, .compresses = false});
  CopyOptions options;
  options.sparse_granularity = GetParam().granularity;
  const auto report = Copy(sources, writer, options);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(writer.units(), GetParam().units);
}

INSTANTIATE_TEST_SUITE_P(
    All, CopiesUnits,
    testing::Values(
        UnitCase{"data", {{16 * kKiB, kData, 'A'}}, 4096, "AAAA"},
        UnitCase{"holes", {{8 * kKiB, kNone}, {8 * kKiB, kZero}, {8 * kKiB, kData, 'B'}}, 4096, "....BB"},
        UnitCase{"zeros_inside_data",
                 {{8 * kKiB, kData, 'A'}, {4 * kKiB, kData, '\0'}, {4 * kKiB, kData, 'B'}},
                 4096,
                 "AA.B"},
        UnitCase{"finer_than_the_unit",
                 {{8 * kKiB, kData, 'A'}, {4 * kKiB, kData, '\0'}, {4 * kKiB, kData, 'B'}},
                 512,
                 "AA.B"},
        UnitCase{"coarser_than_the_unit",
                 {{8 * kKiB, kData, '\0'}, {4 * kKiB, kData, 'A'}, {4 * kKiB, kData, '\0'}},
                 8192,
                 "..A0"},
        UnitCase{"shared_unit",
                 {{2 * kKiB, kData, 'A'}, {6 * kKiB, kNone}, {kKiB, kZero}, {7 * kKiB, kData, 'B'}},
                 4096,
                 "A.0B"},
        UnitCase{
            "shared_unit_of_zeros", {{2 * kKiB, kData, '\0'}, {6 * kKiB, kNone}, {8 * kKiB, kData, 'B'}}, 4096, "..BB"},
        UnitCase{"odd_end", {{8 * kKiB, kData, 'A'}, {512, kData, 'C'}}, 4096, "AAC"},
        UnitCase{"mapped_zeros_survive_a_coarse_scan", {{4 * kKiB, kData, 'A'}, {12 * kKiB, kZero}}, 16384, "A..."}),
    [](const auto& tested) { return tested.param.name; });

TEST(CopyWithoutScan, WritesZerosAsData) {
  const Chain source = OneLayer(std::make_shared<LayoutImage>(
      std::vector<Layout>{{6 * kKiB, kNone}, {2 * kKiB, kData, 'A'}, {8 * kKiB, kZero}, {4 * kKiB, kData, '\0'}}));
  const Chain* const sources[] = {&source};
  RecordingWriter writer({.unit = 4 * kKiB, .batch_alignment = 4 * kKiB, .starts_zeroed = true, .compresses = false});
  CopyOptions options;
  options.sparse_granularity = 0;
  const auto report = Copy(sources, writer, options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(writer.units(), "00000");
  EXPECT_EQ(report.value().data_bytes, 20 * kKiB);
}

TEST(Copy, ReadsNoHoles) {
  const auto image = std::make_shared<LayoutImage>(std::vector<Layout>{
      {std::uint64_t{1} << 40, kNone}, {64 * kKiB, kData, 'A'}, {std::uint64_t{1} << 42, kZero}, {64 * kKiB, kNone}});
  const Chain source = OneLayer(image);
  const Chain* const sources[] = {&source};
  // Units as large as can be, so that the record stays short.
  const std::uint64_t unit = std::uint64_t{1} << 20;
  RecordingWriter writer({.unit = unit, .batch_alignment = unit, .starts_zeroed = true, .compresses = false});
  const auto report = Copy(sources, writer, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(image->bytes_read(), 64 * kKiB);
  EXPECT_LT(writer.batch_count(), 16U);
}

TEST(Copy, JoinsSources) {
  const Chain first = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{6 * kKiB, kData, 'A'}}));
  const Chain second = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{2 * kKiB, kNone}}));
  const Chain third = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{8 * kKiB, kData, 'C'}}));
  const Chain* const sources[] = {&first, &second, &third};
  RecordingWriter writer({.unit = 4 * kKiB, .batch_alignment = 4 * kKiB, .starts_zeroed = true, .compresses = false});
  ASSERT_TRUE(Copy(sources, writer, {}).ok());
  EXPECT_EQ(writer.units(), "AACC");
}

class CopyOntoBacking : public testing::Test {
 protected:
  std::string Units(const std::vector<Layout>& top, bool source_has_backing, const Chain& backing,
                    std::size_t layers_above_backing = 1) {
    std::vector<std::shared_ptr<Image>> layers{std::make_shared<LayoutImage>(top)};
    if (source_has_backing)
      layers.push_back(std::make_shared<LayoutImage>(std::vector<Layout>{{64 * kKiB, kData, 'X'}}));
    const Chain source(std::move(layers));
    const Chain* const sources[] = {&source};
    RecordingWriter writer({.unit = 4 * kKiB, .batch_alignment = 4 * kKiB, .starts_zeroed = true, .compresses = false});
    CopyOptions options;
    options.target_backing = &backing;
    options.layers_above_backing = layers_above_backing;
    const auto report = Copy(sources, writer, options);
    EXPECT_TRUE(report.ok());
    return writer.units();
  }

  const Chain long_backing_ = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{64 * kKiB, kData, 'b'}}));
  const Chain short_backing_ = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{8 * kKiB, kData, 'b'}}));
};

TEST_F(CopyOntoBacking, LeavesToItWhatTheTopLayerDoesNotHave) {
  EXPECT_EQ(Units({{4 * kKiB, kNone}, {4 * kKiB, kData, 'A'}, {4 * kKiB, kZero}}, true, long_backing_), "-A.");
}
TEST_F(CopyOntoBacking, ZeroesWhatASourceWithoutBackingDoesNotHave) {
  EXPECT_EQ(Units({{4 * kKiB, kNone}, {4 * kKiB, kData, 'A'}}, false, long_backing_), ".A");
}
TEST_F(CopyOntoBacking, CompletesSharedUnitsFromIt) {
  EXPECT_EQ(Units({{2 * kKiB, kNone}, {2 * kKiB, kData, 'A'}, {kKiB, kNone}, {3 * kKiB, kZero}}, true, long_backing_),
            "bb");
}
TEST_F(CopyOntoBacking, NeedsNoZerosPastItsEnd) {
  EXPECT_EQ(Units({{4 * kKiB, kNone}, {12 * kKiB, kZero}}, true, short_backing_), "-.--");
}

TEST_F(CopyOntoBacking, LeavesToAnotherWhatBothHold) {
  const std::vector<Layout> top = {
      {4 * kKiB, kData, 'b'}, {4 * kKiB, kData, 'A'}, {4 * kKiB, kZero}, {4 * kKiB, kNone}};
  EXPECT_EQ(Units(top, false, long_backing_, 0), "-A..");
  EXPECT_EQ(Units(top, false, short_backing_, 0), "-A--");
  EXPECT_EQ(Units(top, true, long_backing_, 0), "-A.X");
  EXPECT_EQ(Units({{2 * kKiB, kData, 'b'}, {6 * kKiB, kNone}}, true, long_backing_, 0), "bX");
  EXPECT_EQ(Units({{2 * kKiB, kData, 'b'}, {2 * kKiB, kData, 'b'}, {12 * kKiB, kZero}}, false, short_backing_, 0),
            "-.--");
}

}  // namespace
}  // namespace platter
