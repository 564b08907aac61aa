// Volumes that xorriso and genisoimage make, read by us: names, sizes, content, modes, times and links.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "formats/core/file_storage.h"
#include "tests/iso/sample_tree.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

class Peers : public testing::Test {
 protected:
  void SetUp() override { MakeSampleTree(folder_.File("tree")); }

  std::string Run(const std::string& script) {
    CommandOptions here;
    here.folder = folder_.path().string();
    return MustRun({"sh", "-ec", script}, here);
  }

  TempDir folder_;
};

struct VolumeCase {
  const char* name;
  const char* script;  // makes v.iso of tree/
  const char* tree;    // whose names are read
  bool posix;
};

void PrintTo(const VolumeCase& volume, std::ostream* out) { *out << volume.name; }

// Turns a bridge volume into a pure UDF one: the ISO 9660 descriptors give way to UDF's recognition sequence.
constexpr const char* kOnlyUdf =
    "genisoimage -quiet -D -udf -allow-limited-size -o v.iso tree && "
    "n=$(LC_ALL=C grep -abo BEA01 v.iso | head -1 | cut -d: -f1) && "
    "dd if=v.iso of=v.iso bs=1 skip=$((n - 1)) seek=32768 count=6144 conv=notrunc status=none && "
    "dd if=/dev/zero of=v.iso bs=2048 seek=19 count=$((n / 2048 - 16)) conv=notrunc status=none";

const VolumeCase kVolumes[] = {
    {"XorrisoRockRidge", "xorriso -as mkisofs -quiet -R -o v.iso tree", "rock-ridge", true},
    {"XorrisoDeep", "xorriso -as mkisofs -quiet -R -D -o v.iso tree", "rock-ridge", true},
    {"XorrisoJoliet", "xorriso -as mkisofs -quiet -R -J -joliet-long -o v.iso tree", "joliet", false},
    {"XorrisoBoth", "xorriso -as mkisofs -quiet -R -J -joliet-long -o v.iso tree", "auto", true},
    {"XorrisoZisofs", "xorriso -as mkisofs -quiet -R -z -o v.iso tree", "rock-ridge", true},
    {"GenisoimageRockRidge", "genisoimage -quiet -R -o v.iso tree", "auto", true},
    {"GenisoimageJoliet", "genisoimage -quiet -D -J -joliet-long -o v.iso tree", "auto", false},
    {"GenisoimageUdf", "genisoimage -quiet -D -udf -o v.iso tree", "udf", false},
    {"OnlyUdf", kOnlyUdf, "auto", false},
};

class ReadsVolume : public Peers, public testing::WithParamInterface<VolumeCase> {};

TEST_P(ReadsVolume, WithAllItsFiles) {
  Run(GetParam().script);
  const auto image = OpenVolume(folder_.File("v.iso"), GetParam().tree);
  ASSERT_NE(image->file_tree(), nullptr);
  if (std::string(GetParam().tree) != "auto") {
    EXPECT_EQ(image->file_tree()->kind(), GetParam().tree);
  }
  const Aspects aspects{.posix = GetParam().posix};
  auto found = ContentOfTree(*image->file_tree(), aspects);
  found.erase("rr_moved");  // where genisoimage puts directories below the eighth level; Linux shows it, too
  EXPECT_EQ(Differences(ContentOfFolder(folder_.File("tree"), aspects), found), "");
}

INSTANTIATE_TEST_SUITE_P(All, ReadsVolume, testing::ValuesIn(kVolumes),
                         [](const auto& param) { return param.param.name; });

class ReadsLevel : public Peers, public testing::WithParamInterface<int> {};

// Without any extension the names are what the level leaves of them: 7-Zip must read the same ones. Level 4 is ISO
// 9660:1999.
TEST_P(ReadsLevel, AsSevenZipDoes) {
  Run(fmt::format("rm tree/gr*; genisoimage -quiet -D -iso-level {} -o v.iso tree; 7zz x -y -oout v.iso >log",
                  GetParam()));
  const auto image = OpenVolume(folder_.File("v.iso"), "auto");
  EXPECT_EQ(image->file_tree()->kind(), GetParam() == 4 ? "iso9660-1999" : "iso9660");
  const Aspects names{.posix = false};
  EXPECT_EQ(Differences(ContentOfFolder(folder_.File("out"), names), ContentOfTree(*image->file_tree(), names)), "");
}

INSTANTIATE_TEST_SUITE_P(All, ReadsLevel, testing::Values(1, 2, 3, 4));

}  // namespace
}  // namespace platter::test
