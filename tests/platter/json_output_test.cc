#include "tools/platter/json_output.h"

#include <gtest/gtest.h>

#include "tools/platter/human_size.h"

namespace platter::cli {
namespace {

TEST(JsonOutput, MembersStandInQemusOrder) {
  Detail detail;
  for (const char* key : {"dirty-flag", "actual-size", "format", "filename", "virtual-size"}) detail.Add(key, 1);
  EXPECT_EQ(ToCompactJson(detail),
            R"({"virtual-size": 1, "filename": 1, "format": 1, "actual-size": 1, "dirty-flag": 1})");
}

TEST(JsonOutput, NestsWithFourSpaces) {
  Detail detail;
  detail.Add("list", Detail::List{1, "two", false}).Add("empty", Detail::List{});
  EXPECT_EQ(ToJson(detail),
            "{\n    \"list\": [\n        1,\n        \"two\",\n        false\n    ],\n    \"empty\": [\n    ]\n}");
}

TEST(HumanSize, HasThreeDigitsAndSwitchesAt1000) {
  EXPECT_EQ(HumanSize(0), "0 B");
  EXPECT_EQ(HumanSize(999), "999 B");
  EXPECT_EQ(HumanSize(1000), "0.977 KiB");
  EXPECT_EQ(HumanSize(200704), "196 KiB");
  EXPECT_EQ(HumanSize(1610612736), "1.5 GiB");
}

}  // namespace
}  // namespace platter::cli
