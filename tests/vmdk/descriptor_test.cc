// Descriptors in all the shapes that tools write them in, and malformed ones.
#include "formats/vmdk/descriptor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace platter::test {
namespace {

using namespace platter::vmdk;

const std::string kLines[] = {
    "# Disk DescriptorFile",
    "version=1",
    "encoding=\"windows-1252\"",
    "CID=0badcafe",
    "parentCID=12345678",
    "createType=\"twoGbMaxExtentSparse\"",
    "parentFileNameHint=\"base disk.vmdk\"",
    "",
    "# Extent description",
    "RW 4192256 SPARSE \"my disk-s001.vmdk\"",
    "RDONLY 63 FLAT \"rest.bin\" 128",
    "RW 10 ZERO",
    "",
    "# The Disk Data Base",
    "#DDB",
    "ddb.adapterType = \"lsilogic\"",
};

std::string Joined(const std::string& end) {
  std::string text;
  for (const std::string& line : kLines) text += line + end;
  return text;
}

struct Shape {
  const char* name;
  std::string text;
};
void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  return text.replace(at, from.size(), to);
}

const std::string kPlain = Joined("\n");
const Shape kShapes[] = {
    {"LineFeeds", kPlain},
    {"WindowsLines", Joined("\r\n")},
    {"CarriageReturns", Joined("\r")},
    {"TrailingBlanks", Joined(" \t\n")},
    {"NulPadded", kPlain + std::string(5000, '\0')},
    {"GarbageBehindTheNul", kPlain + std::string(1, '\0') + "RW 5 BROKEN"},
    {"ByteOrderMark", "\xEF\xBB\xBF" + kPlain},
    {"KeysInOtherCase", Replaced(Replaced(kPlain, "createType", "CREATETYPE"), "CID=", "cid=")},
    {"BlanksAroundSigns", Replaced(Replaced(kPlain, "createType=", "createType = "), "CID=", " CID = ")},
    {"NoQuotes", Replaced(kPlain, "\"twoGbMaxExtentSparse\"", "twoGbMaxExtentSparse")},
    {"ExtentsInOtherCase", Replaced(Replaced(kPlain, "SPARSE \"", "Sparse \""), "RW 10", "rw 10")},
    {"BlanksInExtents", Replaced(kPlain, "RW 10 ZERO", "  RW   10\tZERO  ")},
    {"UnquotedFile", Replaced(kPlain, "\"rest.bin\"", "rest.bin")},
    {"FieldsBehindTheOffset", Replaced(kPlain, "rest.bin\" 128", "rest.bin\" 128 partitionUUID /dev/sda")},
    {"NoLastLineEnd", kPlain.substr(0, kPlain.size() - 1)},
    {"UnknownKeysAndLines", Replaced(kPlain, "version=1\n", "version=1\nisNativeSnapshot=\"no\"\nwhatever\n")},
    {"TheFirstOfTwoCounts", kPlain + "CID=ffffffff\ncreateType=\"custom\"\n"},
};

class DescriptorShape : public testing::TestWithParam<Shape> {};

TEST_P(DescriptorShape, IsUnderstood) {
  EXPECT_TRUE(LooksLikeDescriptor(GetParam().text));
  const auto parsed = ParseDescriptor(GetParam().text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().Describe();
  const Descriptor& descriptor = parsed.value();
  EXPECT_EQ(descriptor.version, 1u);
  EXPECT_EQ(descriptor.encoding, "windows-1252");
  EXPECT_EQ(descriptor.cid, 0x0badcafeu);
  EXPECT_EQ(descriptor.parent_cid, 0x12345678u);
  EXPECT_EQ(descriptor.create_type, "twoGbMaxExtentSparse");
  EXPECT_EQ(descriptor.parent_hint, "base disk.vmdk");
  ASSERT_EQ(descriptor.extents.size(), 3u);
  EXPECT_EQ(descriptor.extents[0].type, ExtentType::kSparse);
  EXPECT_EQ(descriptor.extents[0].sectors, 4192256u);
  EXPECT_EQ(descriptor.extents[0].file, "my disk-s001.vmdk");
  EXPECT_FALSE(descriptor.extents[0].offset.has_value());
  EXPECT_EQ(descriptor.extents[1].access, Access::kReadOnly);
  EXPECT_EQ(descriptor.extents[1].type, ExtentType::kFlat);
  EXPECT_EQ(descriptor.extents[1].offset, 128u);
  EXPECT_EQ(descriptor.extents[2].type, ExtentType::kZero);
  ASSERT_NE(descriptor.FindDdb("DDB.ADAPTERTYPE"), nullptr);
  EXPECT_EQ(*descriptor.FindDdb("ddb.adapterType"), "lsilogic");
}

TEST_P(DescriptorShape, SurvivesPrinting) {
  const auto parsed = ParseDescriptor(GetParam().text);
  ASSERT_TRUE(parsed.ok());
  const std::string printed = PrintDescriptor(parsed.value());
  const auto again = ParseDescriptor(printed);
  ASSERT_TRUE(again.ok()) << again.error().Describe();
  EXPECT_EQ(PrintDescriptor(again.value()), printed);
  EXPECT_EQ(again.value().extents.size(), 3u);
  EXPECT_EQ(again.value().parent_hint, "base disk.vmdk");
}

INSTANTIATE_TEST_SUITE_P(All, DescriptorShape, testing::ValuesIn(kShapes),
                         [](const auto& param) { return param.param.name; });

TEST(Descriptor, WhatAnyProgramTakesForOneIsOne) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"# Disk DescriptorFile\nkey=1\n"sv, "# Disk Descriptor File\nkey=1\n"sv, "#Disk Descriptor File\nkey=1\n"sv,
        "#Disk DescriptorFile\r\nkey=1\n"sv, "# x\ry\nversion=1\n"sv, "#\0\nversion=2\r\n"sv, "  \r\nversion=3\n"sv,
        "VERSION = \"1\"\r"sv}) {
    EXPECT_TRUE(LooksLikeDescriptor(text)) << text;
  }
}

struct BadText {
  const char* name;
  std::string text;
  const char* field;
};
void PrintTo(const BadText& bad, std::ostream* out) { *out << bad.name; }

const BadText kBadTexts[] = {
    {"CidIsNoNumber", "version=1\nCID=nothing\n", "line 2"},
    {"CidTooLong", "CID=123456789\n", "line 1"},
    {"VersionIsNoNumber", "version=one\n", "line 1"},
    {"SectorsNegative", "RW -5 FLAT \"a\" 0\n", "line 1"},
    {"SectorsMissing", "RW\n", "line 1"},
    {"SectorsBeyond64Bits", "RW 99999999999999999999 FLAT \"a\" 0\n", "line 1"},
    {"TypeMissing", "RW 5\n", "line 1"},
    {"FileMissing", "RW 5 SPARSE\n", "line 1"},
    {"FileEmpty", "RW 5 SPARSE \"\"\n", "line 1"},
    {"OffsetNegative", "RW 5 FLAT \"a\" -1\n", "line 1"},
    {"OffsetIsNoNumber", "\n\nRW 5 FLAT \"a\" x\n", "line 3"},
    {"TooLong", std::string(std::size_t{1} << 20, ' '), "whole text"},
};

class BadDescriptor : public testing::TestWithParam<BadText> {};

TEST_P(BadDescriptor, IsRefusedByLine) {
  const auto parsed = ParseDescriptor(GetParam().text);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(parsed.error().field(), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(All, BadDescriptor, testing::ValuesIn(kBadTexts),
                         [](const auto& param) { return param.param.name; });

TEST(Descriptor, IsPrintedAsQemuImgLaysItOut) {
  Descriptor descriptor;
  descriptor.cid = 0xf303029;
  descriptor.create_type = "monolithicFlat";
  descriptor.extents.push_back({.sectors = 2048, .type = ExtentType::kFlat, .file = "a-flat.vmdk", .offset = 0});
  descriptor.ddb = {{"ddb.virtualHWVersion", "4"}};
  EXPECT_EQ(PrintDescriptor(descriptor),
            "# Disk DescriptorFile\nversion=1\nCID=0f303029\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\n"
            "# Extent description\nRW 2048 FLAT \"a-flat.vmdk\" 0\n\n"
            "# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\n");
}

TEST(Descriptor, OtherTextsAreNone) {
  for (const std::string text :
       {"", "hello", "version=9\n", "version=x\n", "# a comment\nkey=1\nversion=1\n", "version"}) {
    EXPECT_FALSE(LooksLikeDescriptor(text)) << text;
  }
}

// qemu scans over blanks and line ends of any kind: none of these may go unseen.
TEST(Descriptor, WhatQemuTakesForAnExtentIsOneOrAnError) {
  for (const std::string extent :
       {"RW 1 FLAT \"/etc/passwd\" 0", "\rRW 1 FLAT \"/etc/passwd\" 0", " \v\fRW\t1 VMFS \"/etc/passwd\"",
        "RW 1 VMFS \"/etc/passwd", "RW 1 VMFS \"/etc/passwd\r\"", "RW\n1 FLAT \"/etc/passwd\" 0",
        "RW 1\rFLAT \"/etc/passwd\" 0", "RW 1 FLAT\n\n\"/etc/passwd\" 0", "RW 1FLAT \"/etc/passwd\" 0",
        "RW +1 FLAT \"/etc/passwd\" 0", "RW 1 FLAT \"/etc/passwd\" 0x"}) {
    const auto parsed = ParseDescriptor("# x\ry\nversion=1\n" + extent + "\n");
    const bool seen = !parsed.ok() || (parsed.value().extents.size() == 1 &&
                                       parsed.value().extents.front().file.starts_with("/etc/passwd"));
    EXPECT_TRUE(seen) << extent;
  }
}

struct Name {
  const char* bytes;
  const char* encoding;
  const char* utf8;
};

TEST(Descriptor, NamesAreDecoded) {
  const Name kNames[] = {
      {"plain.vmdk", "windows-1252", "plain.vmdk"},
      {"plain.vmdk", "klingon", "plain.vmdk"},
      {"M\xFCller.vmdk", "windows-1252", "M\xC3\xBCller.vmdk"},
      {"M\xFCller.vmdk", "ISO-8859-1", "M\xC3\xBCller.vmdk"},
      {"M\xC3\xBCller.vmdk", "UTF-8", "M\xC3\xBCller.vmdk"},
      {"M\xC3\xBCller.vmdk", "", "M\xC3\xBCller.vmdk"},
      {"\x83\x66\x83\x42\x83\x58\x83\x4E", "Shift_JIS", "\xE3\x83\x87\xE3\x82\xA3\xE3\x82\xB9\xE3\x82\xAF"},
      {"\xB4\xC5\xC5\xCC", "GBK", "\xE7\xA3\x81\xE7\x9B\x98"},
  };
  for (const Name& name : kNames) {
    const auto decoded = DecodeName(name.bytes, name.encoding);
    ASSERT_TRUE(decoded.ok()) << decoded.error().Describe();
    EXPECT_EQ(decoded.value(), name.utf8);
  }
}

TEST(Descriptor, NamesInNoKnownEncodingAreRefused) {
  for (const char* encoding : {"klingon", "../../evil", "UTF-16", "windows-1252//TRANSLIT", "ISO-2022-CN-EXT", "cp"}) {
    const auto decoded = DecodeName("M\xFCller", encoding);
    ASSERT_FALSE(decoded.ok()) << encoding;
    EXPECT_EQ(decoded.error().kind(), ErrorKind::kUnsupported) << encoding;
  }
  const auto broken = DecodeName("\x83", "Shift_JIS");
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().kind(), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace platter::test
