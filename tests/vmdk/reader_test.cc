// What qemu-img makes, read by us: content, map and info beside qemu-img's, libvmdk's and 7-Zip's.
#include <gtest/gtest.h>

#include <string>

#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/libvmdk.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = (std::uint64_t{3} << 20) + 512 * 9;

struct ImageCase {
  const char* name;
  std::string script;  // makes disk.vmdk; guest.raw holds a random disk
  bool libvmdk_reads = true;
  bool seven_zip_reads = true;  // it wants a footer in streams
};
void PrintTo(const ImageCase& image, std::ostream* out) { *out << image.name; }

std::string Convert(const std::string& options) {
  return "qemu-img convert -O vmdk -o subformat=" + options + " guest.raw disk.vmdk";
}

const std::string kChild = "qemu-img create -q -f vmdk -b base.vmdk -F vmdk disk.vmdk";

const ImageCase kImages[] = {
    {"MonolithicSparse", Convert("monolithicSparse")},
    {"MonolithicFlat", Convert("monolithicFlat")},
    {"TwoGbMaxExtentSparse", Convert("twoGbMaxExtentSparse")},
    {"TwoGbMaxExtentFlat", Convert("twoGbMaxExtentFlat")},
    {"StreamOptimized", Convert("streamOptimized"), true, false},
    {"ZeroedGrains",
     "qemu-img create -q -f vmdk -o zeroed_grain=on disk.vmdk 1M && qemu-io -c 'write -P 1 0 512k' -c 'write -z 64k "
     "128k' disk.vmdk",
     false, false},
    {"Chain",
     "qemu-img convert -O vmdk guest.raw base.vmdk && " + kChild + " && qemu-io -c 'write -P 9 100k 300k' disk.vmdk",
     false, false},
    {"ChainOfStreams",
     "qemu-img convert -O vmdk -o subformat=streamOptimized guest.raw base.vmdk && " + kChild +
         " && qemu-io -c 'write -P 9 100k 300k' disk.vmdk",
     false, false},
    {"InAnotherFolder",
     "mkdir sub && qemu-img convert -O vmdk -o subformat=twoGbMaxExtentFlat guest.raw sub/disk.vmdk && ln -s "
     "sub/disk.vmdk "
     "disk.vmdk && mv sub/disk-f001.vmdk .",
     true, false},
};

std::string RunIn(const TempDir& folder, const std::string& script) {
  CommandOptions here;
  here.folder = folder.path().string();
  return MustRun({"sh", "-ec", script}, here);
}

class ReadsQemusVmdk : public testing::TestWithParam<ImageCase> {
 protected:
  void SetUp() override {
    WriteRawFile(RandomGuest(21, kDiskSize), folder_.File("guest.raw"));
    Run(GetParam().script);
  }
  std::string Run(const std::string& script) { return RunIn(folder_, script); }
  std::string Path() const { return folder_.File("disk.vmdk"); }

  TempDir folder_;
};

TEST_P(ReadsQemusVmdk, WithItsContentAndMap) {
  const OpenedChain opened = OpenImageChain(Path(), "vmdk");
  ASSERT_FALSE(opened.layers.empty());
  const Chain chain = opened.chain();
  const std::string ours = Sha256OfGuest(chain);
  EXPECT_EQ(ours, Run("qemu-img convert -O raw disk.vmdk out.raw; sha256sum out.raw").substr(0, 64));
  EXPECT_EQ(MapText(chain), Run("qemu-img map --output=json disk.vmdk"));
  if (GetParam().libvmdk_reads) {
    EXPECT_EQ(ours, Sha256ByLibvmdk(Path()));
  }
  if (GetParam().seven_zip_reads) {
    EXPECT_EQ(ours, Run("7zz e -so -tvmdk disk.vmdk | sha256sum").substr(0, 64));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReadsQemusVmdk, testing::ValuesIn(kImages),
                         [](const auto& param) { return param.param.name; });

// Extents of 2 GiB: data across the border of two of them, and in the third.
TEST(VmdkExtents, AreOneDisk) {
  const TempDir folder;
  RunIn(folder,
        "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse disk.vmdk 5G && qemu-io -c 'write -P 3 2047M 2M' "
        "-c 'write -P 4 4097M 64k' disk.vmdk");
  const OpenedChain opened = OpenImageChain(folder.File("disk.vmdk"), "vmdk");
  ASSERT_FALSE(opened.layers.empty());
  const Chain chain = opened.chain();
  EXPECT_EQ(MapText(chain), MustRun({"qemu-img", "map", "--output=json", folder.File("disk.vmdk")}));
  const auto holds = [&](std::uint64_t offset, std::uint64_t length, int value) {
    std::vector<std::byte> bytes(length);
    return chain.ReadAt(offset, bytes).ok() &&
           std::ranges::all_of(bytes, [&](std::byte byte) { return byte == static_cast<std::byte>(value); });
  };
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  EXPECT_TRUE(holds(2047 * kMiB, 2 * kMiB, 3));
  EXPECT_TRUE(holds(2049 * kMiB, kMiB, 0));
  EXPECT_TRUE(holds(4097 * kMiB, 65536, 4));
}

// VirtualBox rounds a header's capacity up to a grain: the next extent follows where the descriptor says.
TEST(VmdkExtents, MayBeShorterThanTheirHeadersSay) {
  const TempDir folder;
  RunIn(folder,
        "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse disk.vmdk 3G && qemu-io -c 'write -P 3 2047M "
        "1M' -c 'write -P 4 2048M 64k' disk.vmdk && sed -i 's/RW 4194304 /RW 4194300 /' disk.vmdk");
  const OpenedChain opened = OpenImageChain(folder.File("disk.vmdk"), "vmdk");
  ASSERT_FALSE(opened.layers.empty());
  const Chain chain = opened.chain();
  EXPECT_EQ(chain.virtual_size(), (std::uint64_t{3} << 30) - 2048);
  std::vector<std::byte> bytes(2048);
  ASSERT_TRUE(chain.ReadAt((std::uint64_t{2} << 30) - 3072, bytes).ok());
  std::vector<std::byte> expected(2048, std::byte{3});
  std::fill(expected.begin() + 1024, expected.end(), std::byte{4});
  EXPECT_EQ(bytes, expected);
}

TEST(VmdkChain, ChangedParentIsRefused) {
  const TempDir folder;
  // Writing to the base gives it a new CID.
  RunIn(folder, "qemu-img create -q -f vmdk base.vmdk 1M && " + kChild +
                    " && qemu-io -c 'write 0 64k' "
                    "base.vmdk");
  const auto chain = TryOpenChain(folder.File("disk.vmdk"), "", "vmdk");
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(chain.error().field(), "identity");
}

}  // namespace
}  // namespace platter::test
