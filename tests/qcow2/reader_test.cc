// What qemu made, read by us: content and map equal qemu-img's own.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/libqcow.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = (std::uint64_t{3} << 20) + 512 * 7;

// `before` makes disk.qcow2, or leaves it to the copy of guest.raw, a random disk, that `after` makes; between the two
// the random disk is written into disk.qcow2 with qemu-io.
struct ImageCase {
  const char* name;
  std::string before;
  std::string after = "";
};

void PrintTo(const ImageCase& image, std::ostream* out) { *out << image.name; }
std::string NameOf(const testing::TestParamInfo<ImageCase>& info) { return info.param.name; }

std::string Create(const std::string& options) {
  const std::string flag = options.empty() ? "" : "-o " + options + " ";
  return "qemu-img create -q -f qcow2 " + flag + "disk.qcow2 " + std::to_string(kDiskSize);
}

std::string Compress(const std::string& options) {
  const std::string flag = options.empty() ? "" : "-o " + options + " ";
  return "qemu-img convert -c -O qcow2 " + flag + "guest.raw disk.qcow2";
}

const ImageCase kImages[] = {
    {"Defaults", Create("")},
    {"Version2", Create("compat=0.10")},
    {"Cluster512", Create("cluster_size=512")},
    {"Cluster4k", Create("cluster_size=4k")},
    {"Cluster2M", Create("cluster_size=2M")},
    {"Refcount1", Create("refcount_bits=1")},
    {"Refcount64", Create("refcount_bits=64")},
    {"Extended", Create("extended_l2=on")},
    {"Extended16k", Create("extended_l2=on,cluster_size=16k")},
    {"Extended2M", Create("extended_l2=on,cluster_size=2M")},
    {"LazyRefcounts", Create("lazy_refcounts=on")},
    {"PreallocatedMetadata", Create("preallocation=metadata")},
    {"PreallocatedMetadata4k", Create("preallocation=metadata,cluster_size=4k")},
    {"PreallocatedMetadataExtended", Create("preallocation=metadata,extended_l2=on")},
    {"PreallocatedMetadataRefcount2", Create("preallocation=metadata,refcount_bits=2")},
    {"PreallocatedFalloc", Create("preallocation=falloc")},
    {"PreallocatedFull", Create("preallocation=full")},
    {"DataFile", Create("data_file=$PWD/data.raw")},
    {"DataFileRaw", Create("data_file=$PWD/data.raw,data_file_raw=on")},
    {"DataFileExtended", Create("data_file=$PWD/data.raw,extended_l2=on")},
    {"DataFileMetadata", Create("data_file=$PWD/data.raw,preallocation=metadata")},
    {"Empty", Create(""), Create("")},
    {"ZerosKept", Create(""),
     "qemu-io -c 'write -P 7 0 1M' -c 'write -z 128k 256k' -c 'write -z -u 512k 128k' disk.qcow2"},
    {"ZerosKeptVersion2", Create("compat=0.10"),
     "qemu-io -c 'write -P 7 0 1M' -c 'write -z 128k 256k' -c 'write -z -u 512k 128k' disk.qcow2"},
    {"Discarded", Create(""), "qemu-io -c 'write -P 7 0 1M' -c 'discard 128k 256k' disk.qcow2"},
    {"Compressed", "", Compress("")},
    {"CompressedVersion2", "", Compress("compat=0.10")},
    {"Compressed512", "", Compress("cluster_size=512")},
    {"Compressed2M", "", Compress("cluster_size=2M")},
    {"CompressedExtended", "", Compress("extended_l2=on")},
    {"CompressedZstd", "", Compress("compression_type=zstd")},
    {"CompressedZstd4k", "", Compress("compression_type=zstd,cluster_size=4k")},
    {"CompressedOutOfOrder", "", "qemu-img convert -c -W -m 8 -O qcow2 -o cluster_size=8k guest.raw disk.qcow2"},
    {"CompressedThenOverwritten", "",
     Compress("cluster_size=16k") + " && qemu-io -c 'write -P 9 100k 50k' -c 'write -z 1M 64k' disk.qcow2"},
    {"Backing", "qemu-img create -q -f qcow2 -b guest.raw -F raw disk.qcow2"},
    {"BackingExtended", "qemu-img create -q -f qcow2 -b guest.raw -F raw -o extended_l2=on disk.qcow2"},
    {"BackingShorter",
     "qemu-img create -q -f raw short.raw 1000k && qemu-io -f raw -c 'write -P 5 0 1000k' short.raw && "
     "qemu-img create -q -f qcow2 -b short.raw -F raw disk.qcow2 " +
         std::to_string(kDiskSize)},
    {"BackingShorterMiddle",
     "qemu-img convert -O qcow2 guest.raw base.qcow2 && qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "
     "middle.qcow2 "
     "1M && qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 disk.qcow2 " +
         std::to_string(kDiskSize),
     "qemu-io -c 'discard 0 512k' disk.qcow2"},
    {"BackingCompressed", Compress("cluster_size=4k") +
                              " && mv disk.qcow2 base.qcow2 && "
                              "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2"},
    {"Snapshotted", Create(""), "qemu-img snapshot -c one disk.qcow2 && qemu-io -c 'write -P 3 200k 100k' disk.qcow2"},
    {"BitmapsAdded", Create(""), "qemu-img bitmap --add disk.qcow2 b"},
};

class QemusImage : public testing::Test {
 protected:
  void Make(const ImageCase& image) {
    const GuestDisk disk = RandomGuest(std::hash<std::string>{}(image.name) % 1000, kDiskSize);
    WriteRawFile(disk, folder_.File("guest.raw"));
    Shell(image.before);
    if (!image.before.empty()) WriteWithQemuIo(disk, folder_.File("disk.qcow2"), "qcow2", 5);
    Shell(image.after);
  }
  std::string Run(const std::vector<std::string>& argv) {
    CommandOptions here;
    here.folder = folder_.path().string();
    return MustRun(argv, here);
  }
  void Shell(const std::string& script) {
    if (!script.empty()) Run({"sh", "-ec", script});
  }

  TempDir folder_;
};

class ReadsQemusImage : public QemusImage, public testing::WithParamInterface<ImageCase> {};

TEST_P(ReadsQemusImage, WithItsContentAndMap) {
  Make(GetParam());
  const std::string path = folder_.File("disk.qcow2");
  const OpenedChain opened = OpenImageChain(path);
  ASSERT_FALSE(opened.layers.empty());
  const Chain chain = opened.chain();
  Shell("qemu-img convert -f qcow2 -O raw disk.qcow2 out.raw");
  EXPECT_EQ(Sha256OfGuest(chain), Sha256OfFile(folder_.File("out.raw")));
  EXPECT_EQ(MapText(chain), Run({"qemu-img", "map", "--output=json", "disk.qcow2"}));
}

INSTANTIATE_TEST_SUITE_P(All, ReadsQemusImage, testing::ValuesIn(kImages), NameOf);

// Many threads at once, with room for one table page, see what one thread sees.
TEST_F(QemusImage, ManyThreadsReadAtOnce) {
  const GuestDisk disk = RandomGuest(21, kDiskSize);
  WriteRawFile(disk, folder_.File("guest.raw"));
  Shell(Compress("cluster_size=4k") + "; qemu-io -c 'write -P 9 100k 50k' -c 'write -z 1M 64k' disk.qcow2");
  Shell("qemu-img convert -O raw disk.qcow2 out.raw");
  const auto expected = FileStorage::Open(folder_.File("out.raw"), FileMode{});
  auto storage = FileStorage::Open(folder_.File("disk.qcow2"), FileMode{});
  ASSERT_TRUE(expected.ok() && storage.ok());
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.limits.table_cache = 1;
  const auto image = FindFormat("qcow2")->open(std::move(storage).value(), context);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const auto read = [&](std::uint64_t seed) {
    Random random(seed);
    std::vector<std::byte> bytes(200 << 10);
    std::vector<std::byte> wanted(bytes.size());
    for (int round = 0; round < 60; ++round) {
      const std::uint64_t at = random.Below(kDiskSize);
      const std::uint64_t length = std::min(1 + random.Below(bytes.size()), kDiskSize - at);
      EXPECT_TRUE(image.value()->ReadAt(at, std::span(bytes).first(length)).ok());
      EXPECT_TRUE(expected.value()->ReadAt(at, std::span(wanted).first(length)).ok());
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length), wanted.begin()));
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 6; ++seed) threads.emplace_back(read, seed);
  for (std::thread& thread : threads) thread.join();
}

// libqcow's reading of the same image: a second opinion beside qemu's.
TEST_F(QemusImage, LibqcowReadsTheSame) {
  for (const char* options : {"", "-c", "-o cluster_size=4k", "-c -o compat=0.10"}) {
    WriteRawFile(RandomGuest(31, std::uint64_t{3} << 20), folder_.File("guest.raw"));
    Shell("qemu-img convert -O qcow2 " + std::string(options) + " guest.raw disk.qcow2");
    const OpenedChain opened = OpenImageChain(folder_.File("disk.qcow2"));
    ASSERT_FALSE(opened.layers.empty());
    EXPECT_EQ(Sha256OfGuest(opened.chain()), Sha256ByLibqcow(folder_.File("disk.qcow2"))) << options;
  }
}

TEST_F(QemusImage, DataFileIsFoundFromTheCurrentFolderAsByQemu) {
  Shell("qemu-img create -q -f qcow2 -o data_file=platter-test-missing.raw disk.qcow2 1M");
  const auto opened = TryOpenChain(folder_.File("disk.qcow2"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(opened.error().file(), "platter-test-missing.raw");
  const std::string named = folder_.File("platter-test-missing.raw");
  EXPECT_TRUE(TryOpenChain(folder_.File("disk.qcow2"), "data-file=" + named).ok());
}

}  // namespace
}  // namespace platter::test
