// Layers laid over each other, member by member: what is there afterwards, and what is refused.
#include "convert/docker/layered_tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/containers/tar_bytes.h"

namespace platter::docker {
namespace {

using test::TarArchive;
using test::TarEntry;
using test::TarMember;
using testing::HasSubstr;

using Members = std::vector<std::string>;

std::string F(const std::string& name, const std::string& content = "x") {
  return TarMember({.name = name, .content = content});
}
std::string D(const std::string& name) { return TarMember({.name = name, .content = "", .type = '5'}); }
std::string S(const std::string& name, const std::string& target) {
  return TarMember({.name = name, .content = "", .type = '2', .link = target});
}
std::string H(const std::string& name, const std::string& target) {
  return TarMember({.name = name, .content = "", .type = '1', .link = target});
}

Result<> Apply(LayeredTree& tree, const std::vector<Members>& layers) {
  for (const Members& layer : layers) {
    tree.BeginLayer();
    tar::Scanner scanner([&](const tar::FullMember& member) { return tree.Apply(member); });
    const auto bytes = test::AsBytes(TarArchive(layer));
    // In pieces of a size that fits nothing.
    for (std::size_t at = 0; at < bytes.size(); at += 701) {
      PLATTER_CHECK(scanner.Take(std::span(bytes).subspan(at, std::min<std::size_t>(701, bytes.size() - at))));
    }
    PLATTER_CHECK(scanner.Finish());
  }
  return Done{};
}

// "a/b/ a/b/c=SIZE@LAYER l->target", in order.
std::string Shown(const ext::Tree& tree) {
  std::vector<std::string> lines;
  std::vector<ext::Tree::Entry> left = {ext::Tree::kRoot};
  while (!left.empty()) {
    const auto folder = left.back();
    left.pop_back();
    for (auto child = tree.first(folder); child != ext::Tree::kNone; child = tree.next(child)) {
      const ext::TreeInode& inode = tree.inode(child);
      std::string line = tree.Path(child);
      if (inode.kind == FileKind::kDirectory) {
        line += '/';
        left.push_back(child);
      } else if (inode.kind == FileKind::kSymbolicLink) {
        line += "->" + inode.extra->target;
      } else {
        line += fmt::format("={}@{}", inode.size, inode.source);
        if (inode.links > 1) line += fmt::format("*{}", inode.links);
      }
      lines.push_back(std::move(line));
    }
  }
  std::ranges::sort(lines);
  return fmt::format("{}", fmt::join(lines, " "));
}

struct Row {
  const char* name;
  std::vector<Members> layers;
  std::string wanted;
};

const std::vector<Row>& Rows() {
  static const std::vector<Row> rows = {
      {"Empty", {{}}, ""},
      {"Files", {{D("./"), D("./a/"), F("./a/b"), F("c", "")}}, "a/ a/b=1@0 c=0@0"},
      {"MissingFoldersAreMade", {{F("a/b/c")}}, "a/ a/b/ a/b/c=1@0"},
      {"AbsoluteNamesCountFromTheRoot", {{F("/a//b")}}, "a/ a/b=1@0"},
      {"TheLastOfTwoCounts", {{F("a", "1"), F("a", "22")}}, "a=2@0"},
      {"UpperFilesReplaceLower", {{F("a"), F("b")}, {F("a", "22")}}, "a=2@1 b=1@0"},
      {"AFolderStaysUnderAFolder", {{F("d/a")}, {D("d"), F("d/b")}}, "d/ d/a=1@0 d/b=1@1"},
      {"AFileReplacesAFolder", {{F("d/a/b")}, {F("d")}}, "d=1@1"},
      {"AFolderReplacesAFile", {{F("d")}, {D("d"), F("d/a")}}, "d/ d/a=1@1"},
      {"AFolderReplacesALink", {{D("e"), S("d", "e")}, {D("d"), F("d/a")}}, "d/ d/a=1@1 e/"},
      {"Whiteout", {{F("d/a"), F("d/b")}, {F("d/.wh.a", "")}}, "d/ d/b=1@0"},
      {"WhiteoutOfAFolder", {{F("d/a/b/c"), F("e")}, {F(".wh.d", "")}}, "e=1@0"},
      {"WhiteoutOfNothing", {{F("a")}, {F(".wh.b", ""), F("x/y/.wh.z", "")}}, "a=1@0"},
      {"WhiteoutBelowAFile", {{F("d/f")}, {F("d"), F("d/.wh.f", "")}}, "d=1@1"},
      {"WhiteoutHidesLowerLayersOnly", {{F("a")}, {F("a", "22"), F(".wh.a", "")}}, "a=2@1"},
      {"WhiteoutOfAFolderThatTheLayerHas",
       {{F("d/low"), F("d/e/low")}, {F("d/e/up"), F(".wh.d", "")}},
       "d/ d/e/ d/e/up=1@1"},
      {"Opaque", {{F("d/a"), F("d/e/b")}, {D("d"), F("d/.wh..wh..opq", ""), F("d/c")}}, "d/ d/c=1@1"},
      {"OpaqueBehind", {{F("d/a"), F("d/e/b")}, {F("d/e/c"), F("d/.wh..wh..opq", "")}}, "d/ d/e/ d/e/c=1@1"},
      {"OpaqueTwice", {{F("d/a")}, {F("d/.wh..wh..opq", ""), F("d/b"), F("d/.wh..wh..opq", "")}}, "d/ d/b=1@1"},
      {"OpaqueRoot", {{F("a"), F("b/c")}, {F(".wh..wh..opq", ""), F("d")}}, "d=1@1"},
      {"AufsFiles", {{F(".wh..wh.aufs", ""), D(".wh..wh.plnk"), F(".wh..wh.plnk/1.2"), F("a")}}, "a=1@0"},
      {"HardLinks", {{F("a"), H("b", "a"), H("c/d", "/b")}}, "a=1@0*3 b=1@0*3 c/ c/d=1@0*3"},
      {"HardLinkIntoALowerLayer", {{F("d/a")}, {H("b", "d/a")}}, "b=1@0*2 d/ d/a=1@0*2"},
      {"AHardLinkLosesOneName", {{F("a"), H("b", "a")}, {F("a", "22")}}, "a=2@1 b=1@0"},
      {"HardLinkToItself", {{F("a"), H("a", "a")}}, "a=1@0"},
      {"HardLinkToALink", {{S("a", "nowhere"), H("b", "a")}}, "a->nowhere b->nowhere"},
      {"ThroughALink", {{D("e"), S("d", "e"), F("d/a")}}, "d->e e/ e/a=1@0"},
      {"ThroughALinkOutOfTheRoot", {{S("d", "../../../../e"), F("d/a")}}, "d->../../../../e e/ e/a=1@0"},
      {"ThroughAnAbsoluteLink", {{S("x/d", "/e/f"), F("x/d/a")}}, "e/ e/f/ e/f/a=1@0 x/ x/d->/e/f"},
      {"WhiteoutThroughALink", {{F("e/a"), S("d", "e")}, {F("d/.wh.a", "")}}, "d->e e/"},
      {"WhiteoutOfALink", {{F("e/a"), S("d", "e")}, {F(".wh.d", "")}}, "e/ e/a=1@0"},
  };
  return rows;
}

class LayeredTreeRows : public testing::TestWithParam<Row> {};

TEST_P(LayeredTreeRows, MakeOneTree) {
  LayeredTree layered(1 << 20);
  const auto done = Apply(layered, GetParam().layers);
  ASSERT_TRUE(done.ok()) << done.error().Describe();
  EXPECT_EQ(Shown(layered.tree()), GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(All, LayeredTreeRows, testing::ValuesIn(Rows()),
                         [](const auto& row) { return row.param.name; });

struct Refusal {
  const char* name;
  std::vector<Members> layers;
  ErrorKind kind;
  std::string message;
};

const std::vector<Refusal>& Refusals() {
  using enum ErrorKind;
  static const std::vector<Refusal> rows = {
      {"NameLeadsOut", {{F("a/../../b")}}, kCorrupt, "leads out"},
      {"NameIsDots", {{D("..")}}, kCorrupt, "leads out"},
      {"HardLinkLeadsOut", {{H("a", "../../etc/shadow")}}, kCorrupt, "leads out"},
      {"HardLinkToNothing", {{H("a", "/etc/shadow")}}, kCorrupt, "to what is not there"},
      {"HardLinkToTheRoot", {{H("a", "/")}}, kCorrupt, "to what is not there"},
      {"HardLinkToAFolder", {{D("d"), H("a", "d")}}, kCorrupt, "to a folder"},
      {"HardLinkToWhatItReplaces", {{F("d/a")}, {H("d", "d/a")}}, kCorrupt, "to what is not there"},
      {"HardLinkToWhatAWhiteoutHides", {{F("a")}, {F(".wh.a", ""), H("b", "a")}}, kCorrupt, "to what is not there"},
      {"BelowAFile", {{F("a"), F("a/b")}}, kCorrupt, "below what is no folder"},
      {"BelowALinkToAFile", {{F("a"), S("l", "a"), F("l/b")}}, kCorrupt, "below what is no folder"},
      {"LinksInCircles", {{S("a", "b"), S("b", "a"), F("a/x")}}, kCorrupt, "in circles"},
      {"RootIsAFile", {{F(".")}}, kCorrupt, "root"},
      {"RootIsALink", {{S(".", "/etc")}}, kCorrupt, "root"},
      {"WhiteoutOfTheFolder", {{F("d/.wh..", "")}}, kCorrupt, "whiteout removes"},
      {"WhiteoutOfTheParent", {{F("d/.wh...", "")}}, kCorrupt, "whiteout removes"},
      {"WhiteoutWithoutAName", {{F("d/.wh.", "")}}, kCorrupt, "whiteout removes"},
      {"BelowAWhiteout", {{F(".wh.d/x")}}, kCorrupt, "below a whiteout"},
      {"LinkToNothing", {{S("a", "")}}, kCorrupt, "leads to no name"},
      {"LongName", {{test::TarPax({"path=" + std::string(256, 'a')}), F("x")}}, kLimit, "too long"},
      {"LongPath", {{test::TarPax({"path=" + std::string(5000, 'a')}), F("x")}}, kLimit, "too long"},
      {"UnknownType", {{TarMember({.name = "a", .content = "", .type = 'Z'})}}, kUnsupported, "of a kind"},
      {"SparseFile",
       {{test::TarPax({"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a"}), F("x")}},
       kUnsupported,
       "sparse"},
      {"LoneZeroBlock", {{F("a"), std::string(512, '\0'), F("b")}}, kCorrupt, "lone block"},
      {"Rubbish", {{std::string(512, 'x')}}, kCorrupt, "checksum"},
      {"WrongTime", {{test::TarPax({"mtime=soon"}), F("x")}}, kCorrupt, "no number"},
      {"WrongOwner", {{test::TarPax({"uid=4294967296"}), F("x")}}, kCorrupt, "no number"},
      {"GlobalName", {{test::TarPax({"path=a"}, 'g'), F("x")}}, kCorrupt, "global"},
  };
  return rows;
}

class LayeredTreeRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(LayeredTreeRefusals, AreClear) {
  LayeredTree layered(1 << 20);
  const auto done = Apply(layered, GetParam().layers);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind(), GetParam().kind) << done.error().Describe();
  EXPECT_THAT(done.error().Describe(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, LayeredTreeRefusals, testing::ValuesIn(Refusals()),
                         [](const auto& row) { return row.param.name; });

TEST(LayeredTree, TheTreeIsBounded) {
  LayeredTree layered(100000);
  Members many;
  for (int number = 0; number < 1000; ++number) many.push_back(F(fmt::format("f{}", number)));
  const auto done = Apply(layered, {many});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind(), ErrorKind::kLimit);
  EXPECT_THAT(done.error().Describe(), HasSubstr("too much memory"));
  // What is replaced and removed gives its room back.
  LayeredTree again(100000);
  Members one;
  for (int number = 0; number < 5000; ++number) one.push_back(F("d/f"));
  for (int layer = 0; layer < 20; ++layer) {
    const auto more = Apply(again, {one, {F(".wh.d", "")}});
    ASSERT_TRUE(more.ok()) << more.error().Describe();
  }
  EXPECT_EQ(Shown(again.tree()), "");
}

TEST(LayeredTree, LevelsAreBounded) {
  LayeredTree layered(std::uint64_t{64} << 20);
  std::string deep;
  for (int level = 0; level < 2000; ++level) deep += "a/";
  const auto done = Apply(layered, {{test::TarPax({"path=" + deep}), D("x")}});
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().Describe(), HasSubstr("nested too deeply"));
}

// Many opaque marks and whiteouts of one large folder cost no more than one.
TEST(LayeredTree, RepeatedWhiteoutsAreCheap) {
  LayeredTree layered(std::uint64_t{256} << 20);
  Members many;
  for (int number = 0; number < 20000; ++number) many.push_back(F(fmt::format("d/f{}", number), ""));
  for (int number = 0; number < 20000; ++number) {
    many.push_back(F("d/.wh..wh..opq", ""));
    many.push_back(F(".wh.d", ""));
  }
  const auto done = Apply(layered, {many});
  ASSERT_TRUE(done.ok()) << done.error().Describe();
}

// A member may go through 65000 names of links, but a million members may not.
TEST(LayeredTree, WaysThroughLinksAreBounded) {
  LayeredTree layered(std::uint64_t{64} << 20);
  std::string back_and_forth;
  for (int turn = 0; turn < 800; ++turn) back_and_forth += "d/../";
  Members members = {D("d")};
  for (int link = 0; link < 39; ++link) {
    members.push_back(test::TarPax({fmt::format("linkpath={}l{}", back_and_forth, link + 1)}));
    members.push_back(S(fmt::format("l{}", link), "x"));
  }
  members.push_back(S("l39", "d"));
  members.push_back(F("l0/f"));
  const auto once = Apply(layered, {members});
  ASSERT_TRUE(once.ok()) << once.error().Describe();
  const auto often = Apply(layered, {Members(1000, F("l0/f"))});
  ASSERT_FALSE(often.ok());
  EXPECT_EQ(often.error().kind(), ErrorKind::kLimit);
  EXPECT_THAT(often.error().Describe(), HasSubstr("follow symbolic links too often"));
}

TEST(LayeredTree, KeepsAttributes) {
  LayeredTree layered(1 << 20);
  std::string device = TarMember({.name = "null", .content = "", .type = '3'});
  device.replace(329, 7, "0000001");
  device.replace(337, 7, "0000003");
  test::MendTarHeader(device, 0);
  const auto done = Apply(layered, {{test::TarPax({"SCHILY.xattr.user.g=1"}, 'g'),
                                     test::TarPax({"mtime=-1.25", "uid=4294967295", "gid=70000",
                                                   "SCHILY.xattr.user.a=b=c", "SCHILY.xattr.user.a=d\nf"}),
                                     F("a"), device}});
  ASSERT_TRUE(done.ok()) << done.error().Describe();
  const ext::Tree& tree = layered.tree();
  const ext::TreeInode& a = tree.inode(tree.Find(ext::Tree::kRoot, "a"));
  EXPECT_EQ(a.modified, -2);
  EXPECT_EQ(a.nanoseconds, 750000000U);
  EXPECT_EQ(a.user, 4294967295U);
  EXPECT_EQ(a.group, 70000U);
  EXPECT_EQ(a.mode, 0644);
  EXPECT_THAT(a.extra->attributes, testing::ElementsAre(testing::Pair("user.a", "d\nf"), testing::Pair("user.g", "1")));
  const ext::TreeInode& null = tree.inode(tree.Find(ext::Tree::kRoot, "null"));
  EXPECT_EQ(null.kind, FileKind::kCharacterDevice);
  EXPECT_EQ(null.device_major, 1U);
  EXPECT_EQ(null.device_minor, 3U);
}

}  // namespace
}  // namespace platter::docker
