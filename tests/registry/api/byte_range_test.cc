#include "tools/platterd/api/byte_range.h"

#include <gtest/gtest.h>

namespace platter::platterd {
namespace {

struct RangeRow {
  const char* text;
  std::uint64_t size;
  std::uint64_t offset;
  std::uint64_t length;  // 0: refused
};
const RangeRow kRanges[] = {
    {"bytes=0-4", 10, 0, 5},
    {"bytes=3-3", 10, 3, 1},
    {"bytes=5-", 10, 5, 5},
    {"bytes=5-99", 10, 5, 5},
    {"bytes=-3", 10, 7, 3},
    {"bytes=-30", 10, 0, 10},
    {"bytes=9-", 10, 9, 1},
    {"bytes=10-", 10, 0, 0},
    {"bytes=4-3", 10, 0, 0},
    {"bytes=-0", 10, 0, 0},
    {"bytes=-5", 0, 0, 0},
    {"bytes=0-0", 0, 0, 0},
    {"bytes=", 10, 0, 0},
    {"bytes=-", 10, 0, 0},
    {"bytes=a-b", 10, 0, 0},
    {"bytes=0-x", 10, 0, 0},
    {"items=0-4", 10, 0, 0},
    {"", 10, 0, 0},
    {"bytes=+1-4", 10, 0, 0},
    {"bytes=0-18446744073709551615", 10, 0, 10},
    {"bytes=18446744073709551616-", 10, 0, 0},
};

TEST(ByteRange, RangesAreReadAndCut) {
  for (const RangeRow& row : kRanges) {
    const auto span = ParseRange(row.text, row.size);
    ASSERT_EQ(span.ok(), row.length != 0) << row.text;
    if (!span.ok()) continue;
    EXPECT_EQ(span.value().offset, row.offset) << row.text;
    EXPECT_EQ(span.value().length, row.length) << row.text;
  }
}

TEST(ByteRange, SeveralRangesAreNone) {
  for (const char* text : {"bytes=0-1,3-4", "bytes=0-1,", "bytes=90-99,95-"}) {
    const auto span = ParseRange(text, 10);
    ASSERT_FALSE(span.ok()) << text;
    EXPECT_EQ(span.error().kind(), ErrorKind::kInvalid) << text;
  }
  EXPECT_EQ(ParseRange("bytes=10-", 10).error().kind(), ErrorKind::kOutOfRange);
}

TEST(ByteRange, TheOlderHeaderToo) {
  const auto span = ParseContentRange("bytes 2-5/10", 10);
  ASSERT_TRUE(span.ok());
  EXPECT_EQ(span.value().offset, 2U);
  EXPECT_EQ(span.value().length, 4U);
  for (const char* text : {"bytes 2-10/10", "bytes */10", "bytes=2-5", "bytes 5-2/10", ""}) {
    EXPECT_FALSE(ParseContentRange(text, 10).ok()) << text;
  }
}

}  // namespace
}  // namespace platter::platterd
