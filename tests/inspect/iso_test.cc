// Volumes with several trees of names: as tools write them, and with two contents under one name.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/inspect/inspections.h"

namespace platter::test {
namespace {

using inspect::Depth;
using inspect::Verdict;

// What the commands are run on: files of one length, names in capitals, of more than eight letters, and of no letters
// of ASCII, and a folder ten levels down.
const std::vector<std::string> kFolder = {
    "sh", "-c",
    "mkdir -p t/sub/1/2/3/4/5/6/7/8/9 && cd t && echo one > one.txt && echo two > two.txt && echo 111 > "
    "longfilename.txt && "
    "echo 222 > longfile.txt && echo 333 > UPPER.TXT && echo 444 > sub/1/2/3/4/5/6/7/8/9/deep.txt && "
    "echo 555 > \xC3\xA4\xC3\xB6.txt && : > empty.txt && ln -s one.txt link && ln one.txt sub/hard.txt"};

struct Author {
  const char* name;
  std::vector<std::string> command;
};

const std::vector<Author> kAuthors = {
    {"xorriso at level 4", {"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "4", "-o", "image", "t"}},
    {"xorriso with all trees",
     {"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "4", "-J", "-R", "-o", "image", "t"}},
    {"xorriso with Joliet", {"xorriso", "-as", "mkisofs", "-quiet", "-J", "-o", "image", "t"}},
    {"genisoimage, plain", {"genisoimage", "-quiet", "-o", "image", "t"}},
    {"genisoimage with Rock Ridge", {"genisoimage", "-quiet", "-R", "-o", "image", "t"}},
    {"genisoimage with Joliet", {"genisoimage", "-quiet", "-J", "-o", "image", "t"}},
    {"genisoimage with both", {"genisoimage", "-quiet", "-J", "-R", "-o", "image", "t"}},
    {"genisoimage at level 4", {"genisoimage", "-quiet", "-iso-level", "4", "-J", "-R", "-o", "image", "t"}},
    {"genisoimage, a tree less each",
     {"genisoimage", "-quiet", "-J", "-R", "-hide", "one.txt", "-hide-joliet", "two.txt", "-o", "image", "t"}},
};

TEST(IsoVolumes, AreAcceptedAsToolsWriteThem) {
  for (const Author& author : kAuthors) {
    const Bytes iso = MadeBy({kFolder, author.command});
    for (const Depth depth : {Depth::kStreaming, Depth::kFull}) {
      const inspect::Report report = InspectBytes(iso, {}, depth);
      EXPECT_EQ(report.verdict, Verdict::kAccepted) << author.name << "\n" << Text(report);
      EXPECT_TRUE(report.findings.empty()) << author.name << "\n" << Text(report);
    }
    EXPECT_EQ(InspectStream(iso, {}, 65536).verdict, Verdict::kAccepted) << author.name;
  }
}

// The place of `name` in the records of a tree whose letters take so many bytes.
std::size_t RecordOf(const Bytes& iso, std::string_view name, bool wide) {
  std::string text;
  for (const char letter : name) text += wide ? std::string({'\0', letter}) : std::string({letter});
  const Bytes bytes = ToBytes(text);
  const auto found = std::search(iso.begin() + 40960, iso.end(), bytes.begin(), bytes.end());
  EXPECT_NE(found, iso.end()) << name;
  return static_cast<std::size_t>(found - iso.begin()) - 33;
}

// With the extents of two files exchanged, in one of the trees.
Bytes Exchanged(Bytes iso, std::string_view first, std::string_view second, bool wide) {
  const auto one = iso.begin() + static_cast<std::ptrdiff_t>(RecordOf(iso, first, wide)) + 2;
  const auto other = iso.begin() + static_cast<std::ptrdiff_t>(RecordOf(iso, second, wide)) + 2;
  std::swap_ranges(one, one + 8, other);
  return iso;
}

// Which of them a reader gets depends on the tree that it goes by; the walk through the trees alone can tell.
TEST(IsoThreats, TreesOfTwoContents) {
  const std::vector<std::vector<std::string>> commands = {
      {"genisoimage", "-quiet", "-J", "-R", "-o", "image", "t"},
      {"genisoimage", "-quiet", "-J", "-o", "image", "t"},
  };
  for (const auto& command : commands) {
    const Bytes iso = MadeBy({kFolder, command});
    const inspect::Report report = InspectBytes(Exchanged(iso, "one.txt", "two.txt", true), {}, Depth::kFull);
    const Finding* finding = FindCode(report, "iso.two_trees");
    ASSERT_NE(finding, nullptr) << Text(report);
    EXPECT_EQ(finding->value, "one.txt");
    EXPECT_EQ(report.verdict, Verdict::kRefused);
  }
}

}  // namespace
}  // namespace platter::test
