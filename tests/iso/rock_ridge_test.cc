// Rock Ridge entries, damaged field by field: what a check finds, and that the files beside stay what they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/bytes.h"
#include "tests/iso/sample_tree.h"
#include "tests/iso/volume_bytes.h"

namespace platter::test {
namespace {

std::size_t Byte(const Bytes& bytes, std::size_t at) { return std::to_integer<std::size_t>(bytes.at(at)); }

std::string_view TextAt(const Bytes& bytes, std::size_t at, std::size_t length) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, length};
}

// The host offset of the entry with `signature` in the system use area of the record at `record`; 0 for none.
std::size_t EntryIn(const Bytes& bytes, std::size_t record, std::string_view signature) {
  const std::size_t end = record + Byte(bytes, record);
  std::size_t at = record + (33 + Byte(bytes, record + 32) + 1) / 2 * 2;
  for (; at + 4 <= end && Byte(bytes, at + 2) >= 4; at += Byte(bytes, at + 2)) {
    if (TextAt(bytes, at, 2) == signature) return at;
  }
  return 0;
}

// The same of the file named `name` in the root directory; "" for the directory's own record.
std::size_t EntryOf(const Bytes& bytes, std::string_view name, std::string_view signature) {
  std::size_t at = std::size_t{LoadLe<std::uint32_t>(bytes.data() + kPrimary + 158)} * 2048;
  for (; Byte(bytes, at) != 0; at += Byte(bytes, at)) {
    const std::size_t named = EntryIn(bytes, at, "NM");
    const bool found = name.empty() || (named != 0 && TextAt(bytes, named + 5, Byte(bytes, named + 2) - 5) == name);
    if (found) return EntryIn(bytes, at, signature);
  }
  return 0;
}

// Listed, or refused with an error: either way it ends.
void ListAll(const Bytes& bytes) {
  const auto image = OpenBytes(bytes);
  if (image.ok()) (void)ContentOfTree(*image.value()->file_tree());
}

struct EntryCase {
  const char* name;
  const char* file;  // in the root directory; "" for that itself
  const char* signature;
  std::size_t offset;  // in the entry
  std::vector<std::uint8_t> bytes;
  const char* finding;  // part of one
};

void PrintTo(const EntryCase& entry, std::ostream* out) { *out << entry.name; }

const std::vector<std::uint8_t> kMax8(8, 0xFF);
constexpr const char* kNoFit = "an entry does not fit its system use area";

const EntryCase kEntries[] = {
    {"LengthZero", "script", "PX", 2, {0}, kNoFit},
    {"LengthLess", "script", "PX", 2, {3}, kNoFit},
    {"LengthMax", "script", "PX", 2, {255}, kNoFit},
    {"PxShort", "script", "PX", 2, {35}, "a Rock Ridge entry is too short"},
    {"PxMode", "script", "PX", 8, {0, 0, 0, 1}, "PX, field mode: "},
    {"PxLinks", "script", "PX", 16, {0, 0, 0, 9}, "PX, field links: 1 little-endian, 9 big-endian"},
    {"PxUser", "script", "PX", 24, {255, 255, 255, 255}, "PX, field user: "},
    {"PxGroup", "script", "PX", 32, {255, 255, 255, 255}, "PX, field group: "},
    {"NmShort", "script", "NM", 2, {4}, "a Rock Ridge entry is too short"},
    {"TfShort", "script", "TF", 2, {4}, "a Rock Ridge entry is too short"},
    {"TfStamps", "script", "TF", 2, {11}, "a Rock Ridge entry is too short"},
    {"SlShort", "relative-link", "SL", 2, {4}, "a Rock Ridge entry is too short"},
    {"SlComponentMax", "relative-link", "SL", 6, {255}, "a component of a symbolic link does not fit"},
    {"SlComponentMore", "relative-link", "SL", 6, {200}, "a component of a symbolic link does not fit"},
    {"CeShort", "", "CE", 2, {27}, "a continuation entry is too short"},
    {"CeBlockMax", "", "CE", 4, kMax8, "a continuation area lies outside the file"},
    {"CeOffsetMax", "", "CE", 12, kMax8, "a continuation area lies outside the file"},
    {"CeLengthMax", "", "CE", 20, kMax8, "a continuation area lies outside the file"},
    {"CeBlockBig", "", "CE", 8, {0, 0, 0, 0}, "CE, field block: "},
    {"CeOffsetBig", "", "CE", 16, {0, 0, 0, 77}, "CE, field offset: 0 little-endian, 77 big-endian"},
    {"CeLengthBig", "", "CE", 24, {0, 0, 0, 0}, "CE, field length: "},
};

class RockRidgeEntry : public testing::TestWithParam<EntryCase> {
 protected:
  static void SetUpTestSuite() { bytes_ = MakeVolume("genisoimage -quiet -R -o v.iso tree"); }

  static inline Bytes bytes_;
};

TEST_P(RockRidgeEntry, IsReported) {
  Bytes bytes = bytes_;
  const std::size_t entry = EntryOf(bytes, GetParam().file, GetParam().signature);
  ASSERT_NE(entry, 0u);
  Overwrite(bytes, entry + GetParam().offset, GetParam().bytes);
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr(GetParam().finding)));
  ListAll(bytes);
  const std::string file = GetParam().file;
  EXPECT_EQ(file.empty() ? "" : LostFrom(bytes_, bytes, file, "auto"), "");
}

INSTANTIATE_TEST_SUITE_P(All, RockRidgeEntry, testing::ValuesIn(kEntries),
                         [](const auto& param) { return param.param.name; });

TEST(RockRidgeVolume, ContinuationThatLeadsToItselfIsReported) {
  Bytes bytes = MakeVolume("genisoimage -quiet -R -o v.iso tree");
  const std::size_t entry = EntryOf(bytes, "", "CE");
  StoreLe(bytes.data() + entry + 4, static_cast<std::uint32_t>(entry / 2048));
  StoreLe(bytes.data() + entry + 12, static_cast<std::uint32_t>(entry % 2048));
  StoreLe(bytes.data() + entry + 20, std::uint32_t{28});
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("continuation areas never end")));
  ListAll(bytes);
}

TEST(RockRidgeVolume, WithoutItsMarkHasPlainNames) {
  Bytes bytes = MakeVolume("genisoimage -quiet -R -o v.iso tree");
  bytes[EntryOf(bytes, "", "SP") + 4] = std::byte{0};
  const auto image = OpenBytes(bytes);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value()->file_tree()->kind(), "iso9660");
}

TEST(RockRidgeVolume, IdentifierOfAnExtensionMustFit) {
  Bytes bytes = MakeVolume("genisoimage -quiet -R -o v.iso tree");
  const std::size_t id = TextAt(bytes, 0, bytes.size()).find("RRIP_1991A");
  ASSERT_NE(id, std::string_view::npos);
  bytes[id - 4] = std::byte{255};
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("an extension's identifier does not fit")));
}

TEST(RockRidgeVolume, DamagedEntryIsListedWithItsDamage) {
  const Bytes whole = MakeVolume("genisoimage -quiet -R -o v.iso tree");
  const struct {
    const char* file;
    const char* signature;
    std::size_t offset;
    std::uint8_t byte;
    FileKind kind;
    bool opens;
  } rows[] = {
      {"relative-link", "SL", 6, 255, FileKind::kSymbolicLink, false},
      {"relative-link", "SL", 2, 255, FileKind::kSymbolicLink, false},
      {"script", "TF", 2, 4, FileKind::kRegular, true},
      {"script", "TF", 2, 255, FileKind::kRegular, false},
  };
  for (const auto& row : rows) {
    Bytes bytes = whole;
    bytes[EntryOf(bytes, row.file, row.signature) + row.offset] = std::byte{row.byte};
    const auto image = OpenBytes(bytes);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    FileTree& tree = *image.value()->file_tree();
    const auto entry = FindEntry(tree, row.file, false);
    ASSERT_TRUE(entry.ok()) << entry.error().Describe();
    EXPECT_EQ(entry.value().kind, row.kind);
    EXPECT_NE(entry.value().damage, "");
    EXPECT_EQ(entry.value().target, "");
    EXPECT_EQ(tree.OpenFile(entry.value()).ok(), row.opens) << row.file << " " << row.signature;
    if (row.kind != FileKind::kSymbolicLink) continue;
    const auto followed = FindEntry(tree, row.file, true);
    ASSERT_FALSE(followed.ok());
    EXPECT_EQ(followed.error().kind(), ErrorKind::kCorrupt);
  }
}

// A record that does not fit its sector takes those behind it in the sector with it, and none beyond.
TEST(RockRidgeVolume, DamagedRecordHidesNoOtherSector) {
  const Bytes whole = MakeVolume(
      "mkdir tree/full; for at in $(seq 100); do : > tree/full/file$at; done; "
      "genisoimage -quiet -R -o v.iso tree");
  const auto image = OpenBytes(whole);
  FileTree& tree = *image.value()->file_tree();
  const auto folder = FindEntry(tree, "full", false);
  ASSERT_TRUE(folder.ok());
  std::vector<TreeEntry> files;
  const auto take = [&files](const TreeEntry& entry) -> Result<bool> {
    files.push_back(entry);
    return true;
  };
  ASSERT_TRUE(tree.List(folder.value(), take).ok());
  ASSERT_EQ(files.size(), 100U);
  const std::uint64_t damaged = files[5].node;
  const auto lost = std::ranges::count_if(
      files, [damaged](const TreeEntry& file) { return file.node >= damaged && file.node / 2048 == damaged / 2048; });
  ASSERT_GT(lost, 3);
  Bytes bytes = whole;
  bytes[damaged] = std::byte{20};  // less than a record has
  const auto opened = OpenBytes(bytes);
  files.clear();
  const auto listed = opened.value()->file_tree()->List(folder.value(), take);
  ASSERT_FALSE(listed.ok());
  EXPECT_EQ(listed.error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(static_cast<std::ptrdiff_t>(files.size()), 100 - lost);
}

// A directory below the eighth level stands elsewhere, and an entry with its block number where it belongs.
TEST(RockRidgeVolume, MovedDirectoryThatIsNotThereIsReported) {
  Bytes bytes = MakeVolume("mkdir -p tree/1/2/3/4/5/6/7/8; genisoimage -quiet -R -o v.iso tree");
  EXPECT_THAT(FindingsIn(bytes), testing::IsEmpty());
  const std::size_t link = TextAt(bytes, 0, bytes.size()).find(std::string_view("CL\x0c\x01", 4));
  ASSERT_NE(link, std::string_view::npos);
  Overwrite(bytes, link + 4, kMax8);
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("CL, field block: 4294967295")));
  ListAll(bytes);
}

}  // namespace
}  // namespace platter::test
