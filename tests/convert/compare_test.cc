#include "convert/compare/compare.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <ostream>

#include "tests/convert/disks.h"

namespace platter {
namespace {

using test::Layout;
using test::LayoutImage;
using Verdict = Comparison::Verdict;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr BlockStatus kData = BlockStatus::kData;
constexpr BlockStatus kZero = BlockStatus::kZero;
constexpr BlockStatus kNone = BlockStatus::kUnallocated;

struct CompareCase {
  const char* name;
  std::vector<Layout> a;
  std::vector<Layout> b;
  bool strict;
  Verdict verdict;
  std::uint64_t offset;
  friend std::ostream& operator<<(std::ostream& out, const CompareCase& test) { return out << test.name; }
};

class Compares : public testing::TestWithParam<CompareCase> {};

TEST_P(Compares, AlikeForAnyNumberOfWorkers) {
  const Chain a = test::OneLayer(std::make_shared<LayoutImage>(GetParam().a));
  const Chain b = test::OneLayer(std::make_shared<LayoutImage>(GetParam().b));
  for (unsigned workers = 1; workers <= 8; ++workers) {
    CompareOptions options;
    options.workers = workers;
    options.strict = GetParam().strict;
    const auto comparison = Compare(a, b, options);
    ASSERT_TRUE(comparison.ok());
    EXPECT_EQ(comparison.value().verdict, GetParam().verdict);
    EXPECT_EQ(comparison.value().offset, GetParam().offset);
  }
}

const std::vector<Layout> kTenA = {{10 * kMiB, kData, 'A'}};

INSTANTIATE_TEST_SUITE_P(
    All, Compares,
    testing::Values(
        CompareCase{"same_data", kTenA, {{kMiB, kData, 'A'}, {9 * kMiB, kData, 'A'}}, false, Verdict::kIdentical, 0},
        CompareCase{"same_zeros", {{kMiB, kNone}}, {{kMiB, kZero}}, false, Verdict::kIdentical, 0},
        CompareCase{"written_zeros", {{kMiB, kNone}}, {{kMiB, kData, '\0'}}, false, Verdict::kIdentical, 0},
        CompareCase{"first_of_two_differences",
                    kTenA,
                    {{5 * kMiB + 700, kData, 'A'}, {100, kData, 'B'}, {kMiB, kData, 'A'}, {4 * kMiB - 800, kData, 'C'}},
                    false,
                    Verdict::kContentDiffers,
                    5 * kMiB + 512},
        CompareCase{"data_against_a_hole",
                    {{3 * kMiB, kNone}},
                    {{2 * kMiB, kNone}, {kMiB, kData, 'A'}},
                    false,
                    Verdict::kContentDiffers,
                    2 * kMiB},
        CompareCase{"longer_by_zeros", kTenA, {{10 * kMiB, kData, 'A'}, {kMiB, kNone}}, false, Verdict::kIdentical, 0},
        CompareCase{"longer_by_data", kTenA, {{11 * kMiB, kData, 'A'}}, false, Verdict::kContentDiffers, 10 * kMiB},
        CompareCase{"strict_size", kTenA, {{11 * kMiB, kData, 'B'}}, true, Verdict::kSizeDiffers, 0},
        CompareCase{"strict_status",
                    {{kMiB, kData, 'A'}, {kMiB, kNone}},
                    {{kMiB, kData, 'A'}, {kMiB, kZero}},
                    true,
                    Verdict::kStatusDiffers,
                    kMiB},
        CompareCase{"content_before_status",
                    {{kMiB, kData, 'A'}, {kMiB, kNone}},
                    {{kMiB, kData, 'B'}, {kMiB, kZero}},
                    true,
                    Verdict::kContentDiffers,
                    0}),
    [](const auto& tested) { return tested.param.name; });

TEST(Compare, ReadsNoZeros) {
  const auto a = std::make_shared<LayoutImage>(std::vector<Layout>{{kMiB << 20, kNone}, {kMiB, kData, 'A'}});
  const auto b = std::make_shared<LayoutImage>(std::vector<Layout>{{kMiB << 20, kZero}, {kMiB, kData, 'A'}});
  const auto comparison = Compare(test::OneLayer(a), test::OneLayer(b), {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_EQ(comparison.value().verdict, Verdict::kIdentical);
  EXPECT_EQ(a->bytes_read() + b->bytes_read(), 2 * kMiB);
}

TEST(Compare, TellsAFailedReadAndWhoseItWas) {
  const auto broken = std::make_shared<LayoutImage>(kTenA);
  broken->Break(4 * kMiB + 17);
  const auto comparison = Compare(test::OneLayer(std::make_shared<LayoutImage>(kTenA)), test::OneLayer(broken), {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_EQ(comparison.value().verdict, Verdict::kReadFailed);
  EXPECT_EQ(comparison.value().side, 1U);
  ASSERT_TRUE(comparison.value().error.has_value());
  EXPECT_EQ(comparison.value().error->os_error(), EIO);
}

TEST(Compare, TellsAFailedMap) {
  const auto broken = std::make_shared<LayoutImage>(kTenA);
  broken->Break(4 * kMiB, true);
  const auto comparison = Compare(test::OneLayer(broken), test::OneLayer(std::make_shared<LayoutImage>(kTenA)), {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_EQ(comparison.value().verdict, Verdict::kMapFailed);
  EXPECT_EQ(comparison.value().side, 0U);
}

TEST(Compare, IsCancelled) {
  const std::atomic<bool> cancel{true};
  CompareOptions options;
  options.cancel = &cancel;
  const auto image = std::make_shared<LayoutImage>(kTenA);
  const auto comparison = Compare(test::OneLayer(image), test::OneLayer(image), options);
  ASSERT_FALSE(comparison.ok());
  EXPECT_EQ(comparison.error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace platter
