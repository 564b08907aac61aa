#include "formats/core/json.h"

#include <gtest/gtest.h>

namespace platter {
namespace {

TEST(JsonString, EscapesWhatIsNotPrintableAscii) {
  EXPECT_EQ(JsonString("a\xC3\xA9\xE2\x82\xAC\x7F\x01\xFF\"\\\n"), R"("a\u00E9\u20AC\u007F\u0001\uFFFD\"\\\n")");
  EXPECT_EQ(JsonString("\xF0\x9F\x98\x80"), R"("\uD83D\uDE00")");
}

TEST(PlainText, HasNoBytesThatAreNoTextAndAnEnd) {
  const struct {
    std::string_view text;
    std::size_t most;
    std::string_view plain;
  } kRows[] = {
      {"", 0, ""},
      {"a \"\xC3\xA9\xF0\x9F\x98\x80\\", 100, "a \"\xC3\xA9\xF0\x9F\x98\x80\\"},
      {"/etc/\xFF\xFE", 100, "/etc/\xEF\xBF\xBD\xEF\xBF\xBD"},
      {std::string_view("a\0b\n\x1B[2J", 8), 100,
       "a\xEF\xBF\xBD"
       "b\xEF\xBF\xBD\xEF\xBF\xBD[2J"},
      {"\x7F|\xC2\x9B|\xC2\xA0", 100, "\xEF\xBF\xBD|\xEF\xBF\xBD|\xC2\xA0"},
      {"\xED\xA0\x80", 100, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"12345678", 8, "12345678"},
      {"123456789", 8, "12345..."},
      {"1234\xC3\xA9\xC3\xA9\xC3\xA9", 8, "1234..."},
      {"1234\xC3\xA9\xC3\xA9\xC3\xA9", 9, "1234\xC3\xA9..."},
      {"12", 1, "..."},
  };
  for (const auto& row : kRows) EXPECT_EQ(PlainText(row.text, row.most), row.plain) << row.text;
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
