#include "formats/core/preallocation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "formats/core/memory_storage.h"

namespace platter {
namespace {

constexpr std::array kSpecs = {OptionSpec{"preallocation", OptionType::kText, ""}};

Result<Preallocation> Parse(const std::string& options) {
  return ParsePreallocation(PLATTER_TRY(OptionValues::Parse(options, kSpecs)));
}

TEST(Preallocation, IsReadInQemusWords) {
  EXPECT_EQ(Parse("").value(), Preallocation::kOff);
  EXPECT_EQ(Parse("preallocation=off").value(), Preallocation::kOff);
  EXPECT_EQ(Parse("preallocation=falloc").value(), Preallocation::kFalloc);
  EXPECT_EQ(Parse("preallocation=full").value(), Preallocation::kFull);
  EXPECT_EQ(Parse("preallocation=metadata").error().Describe(),
            "Unsupported preallocation mode: metadata (create options, field preallocation, "
            "allowed: off, falloc, full)");
  EXPECT_EQ(Parse("preallocation=some").error().Describe(),
            "invalid parameter value: some (create options, field preallocation, allowed: off, falloc, full)");
}

class Preallocates : public testing::TestWithParam<Preallocation> {};

TEST_P(Preallocates, TheRangeAndNothingInFrontOfIt) {
  constexpr std::uint64_t kLength = (std::uint64_t{1} << 20) + 100;  // more than is written at once
  MemoryStorage file("file", std::vector<std::byte>(50, std::byte{1}));
  ASSERT_TRUE(Preallocate(file, GetParam(), 40, kLength).ok());
  std::vector<std::byte> expected(50, std::byte{1});
  if (GetParam() != Preallocation::kOff) expected.resize(40 + kLength);
  if (GetParam() == Preallocation::kFull) std::fill_n(expected.begin() + 40, 10, std::byte{0});
  EXPECT_EQ(file.Snapshot(), expected);
  ASSERT_TRUE(Preallocate(file, GetParam(), 0, 0).ok());
  EXPECT_EQ(file.Snapshot(), expected);
}

INSTANTIATE_TEST_SUITE_P(All, Preallocates,
                         testing::Values(Preallocation::kOff, Preallocation::kFalloc, Preallocation::kFull));

}  // namespace
}  // namespace platter
