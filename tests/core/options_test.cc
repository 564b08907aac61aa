#include "formats/core/options.h"

#include <gtest/gtest.h>

#include <array>

namespace platter {
namespace {

struct SizeCase {
  const char* text;
  std::uint64_t bytes;
};

class ParsesSize : public testing::TestWithParam<SizeCase> {};

TEST_P(ParsesSize, AsWritten) {
  const auto size = ParseSize(GetParam().text);
  ASSERT_TRUE(size.ok()) << size.error().Describe();
  EXPECT_EQ(size.value(), GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(All, ParsesSize,
                         testing::Values(SizeCase{"0", 0}, SizeCase{"512", 512}, SizeCase{"512b", 512},
                                         SizeCase{"64k", 65536}, SizeCase{"64K", 65536}, SizeCase{"1M", 1 << 20},
                                         SizeCase{"1.5G", 3ULL << 29}, SizeCase{"2T", 2ULL << 40},
                                         SizeCase{"3P", 3ULL << 50}, SizeCase{"7E", 7ULL << 60}, SizeCase{"0x200", 512},
                                         SizeCase{"0.5k", 512}, SizeCase{" \t1", 1}, SizeCase{"+1M", 1 << 20}));

class RefusesSize : public testing::TestWithParam<const char*> {};

TEST_P(RefusesSize, WithAnError) { EXPECT_FALSE(ParseSize(GetParam()).ok()); }

INSTANTIATE_TEST_SUITE_P(All, RefusesSize,
                         testing::Values("", "k", "-1", "1kk", "1.5", "1x", "16E", "18446744073709551616", "1 ", " ",
                                         "+", "+-1", "++1"));

constexpr std::array kSpecs = {
    OptionSpec{"cluster_size", OptionType::kSize, ""},
    OptionSpec{"lazy", OptionType::kFlag, ""},
    OptionSpec{"name", OptionType::kText, ""},
    OptionSpec{"bits", OptionType::kNumber, ""},
};

TEST(OptionValues, ReadsEveryType) {
  const auto values = OptionValues::Parse("cluster_size=64k,lazy=on,name=a,,b,bits=16", kSpecs);
  ASSERT_TRUE(values.ok()) << values.error().Describe();
  EXPECT_EQ(values.value().Size("cluster_size", 0), 65536u);
  EXPECT_TRUE(values.value().Flag("lazy", false));
  EXPECT_EQ(values.value().Text("name"), "a,b");
  EXPECT_EQ(values.value().Number("bits", 0), 16u);
  EXPECT_FALSE(values.value().Has("size"));
}

TEST(OptionValues, TakesBareFlags) {
  EXPECT_TRUE(OptionValues::Parse("lazy", kSpecs).value().Flag("lazy", false));
  EXPECT_FALSE(OptionValues::Parse("nolazy", kSpecs).value().Flag("lazy", true));
}

class RefusesOptions : public testing::TestWithParam<const char*> {};

TEST_P(RefusesOptions, AsInvalid) {
  const auto values = OptionValues::Parse(GetParam(), kSpecs);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().kind(), ErrorKind::kInvalid);
}

INSTANTIATE_TEST_SUITE_P(All, RefusesOptions,
                         testing::Values("cluster=1", "cluster_size=big", "lazy=maybe", "bits=1k", "cluster_size"));

}  // namespace
}  // namespace platter
