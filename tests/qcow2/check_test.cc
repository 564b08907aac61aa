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

}  // namespace
}  // namespace platter::test
