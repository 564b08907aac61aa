#include "formats/core/json.h"

#include <gtest/gtest.h>

namespace platter {
namespace {

TEST(JsonString, EscapesWhatIsNotPrintableAscii) {
  EXPECT_EQ(JsonString("a\xC3\xA9\xE2\x82\xAC\x7F\x01\xFF\"\\\n"), R"("a\u00E9\u20AC\u007F\u0001\uFFFD\"\\\n")");
  EXPECT_EQ(JsonString("\xF0\x9F\x98\x80"), R"("\uD83D\uDE00")");
}

TEST(JsonObject, KeepsTheOrderOfItsMembers) {
  JsonObject object;
  object.Text("z", "a\"b").Number("a", 18446744073709551615U).Number("none", std::nullopt).Flag("yes", true);
  object.Json("list", JsonList({"1", "[]"})).Json("empty", JsonList({}));
  EXPECT_EQ(object.Finish(),
            R"({"z": "a\"b", "a": 18446744073709551615, "none": null, "yes": true, "list": [1, []], "empty": []})");
  EXPECT_EQ(JsonObject().Finish(), "{}");
}

}  // namespace
}  // namespace platter
