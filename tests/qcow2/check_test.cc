// The check against qemu-img's on the same images, clean and broken: exit code, figures and log lines.
#include "formats/qcow2/check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/qcow2/damaged_image.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

class ChecksAsQemu : public testing::TestWithParam<ImageRecipe> {};

TEST_P(ChecksAsQemu, CleanImage) {
  const TempDir folder;
  const std::string path = MakeImage(GetParam(), folder.path().string());
  const Verdict qemu = CheckByQemu(path);
  EXPECT_EQ(qemu.exit_code, 0);
  EXPECT_EQ(Differences(qemu, CheckByUs(path)), "");
}

TEST_P(ChecksAsQemu, BrokenImage) {
  const TempDir folder;
  const ImageBytes intact(MakeImage(GetParam(), folder.path().string()));
  const std::string path = folder.File("broken.qcow2");
  for (const Damage& damage : Damages()) {
    if (std::ranges::find(damage.images, GetParam().name) == damage.images.end()) continue;
    SCOPED_TRACE(damage.name);
    ImageBytes broken = intact;
    damage.apply(broken);
    broken.Save(path);
    EXPECT_EQ(Differences(CheckByQemu(path), CheckByUs(path)), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Images, ChecksAsQemu, testing::ValuesIn(ImageRecipes()),
                         [](const auto& row) { return row.param.name; });

// One wrong entry or count among many that follow each other: wherever it stands in what is looked at at once.
TEST(ChecksAsQemuInRuns, OneWrongAmongMany) {
  const TempDir folder;
  const ImageBytes intact(MakeImage(FindRecipe("clusters4k"), folder.path().string()));
  const std::string path = folder.File("broken.qcow2");
  for (const std::size_t n : {0, 1, 7, 8, 9, 31, 32, 33, 58, 59, 63, 64, 65, 122, 127}) {
    SCOPED_TRACE(n);
    const std::uint64_t at = intact.StandardEntry(n);
    const std::uint64_t entry = intact.U64(at);
    const std::uint64_t cluster = (entry & qcow2::kOffsetMask) / intact.header.cluster_size();
    for (const std::uint64_t changed :
         {entry ^ qcow2::kCopied, entry ^ 2, entry + intact.header.cluster_size(), entry + 512}) {
      ImageBytes broken = intact;
      broken.Put64(at, changed);
      broken.Save(path);
      EXPECT_EQ(Differences(CheckByQemu(path), CheckByUs(path)), "") << changed;
    }
    for (const std::uint64_t count : {0, 2, 0xFFFF}) {
      ImageBytes broken = intact;
      broken.SetRefcount(cluster, count);
      broken.Save(path);
      EXPECT_EQ(Differences(CheckByQemu(path), CheckByUs(path)), "") << count;
    }
  }
}

}  // namespace
}  // namespace platter::test
