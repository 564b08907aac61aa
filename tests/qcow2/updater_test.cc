#include "formats/qcow2/updater.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/core/faulty_storage.h"
#include "tests/qcow2/new_image.h"

namespace platter::test {
namespace {

UpdateRequest RequestFor(std::shared_ptr<Storage> storage, ReferenceGate& gate, bool compress) {
  UpdateRequest request;
  request.storage = std::move(storage);
  request.context.gate = &gate;
  request.compress = compress;
  return request;
}

// In an update nothing is left to chance: what the disk does not hold is to read as zero.
GuestDisk WithoutHoles(GuestDisk disk) {
  for (GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) range.kind = GuestRange::Kind::kZero;
  }
  return disk;
}

Result<> UpdateImage(std::shared_ptr<Storage> storage, const GuestDisk& disk, bool compress,
                     std::uint64_t batch_bytes = std::uint64_t{1} << 20) {
  LocalGate gate({.access = FileMode::Access::kReadWrite, .cache = CacheMode::kUnsafe});
  auto writer = PLATTER_TRY(FindFormat("qcow2")->update(RequestFor(std::move(storage), gate, compress)));
  return WriteThrough(*writer, disk, batch_bytes);
}

std::shared_ptr<Storage> OpenForUpdate(const std::string& path) { return OpenFile(path, FileMode::Access::kReadWrite); }

constexpr std::uint64_t kDiskSize = (std::uint64_t{2} << 20) + 512;

struct UpdateCase {
  const char* name;
  const char* options;
  bool compressed_before = false;
  bool compress = false;
};

void PrintTo(const UpdateCase& update, std::ostream* out) { *out << update.name; }

constexpr UpdateCase kUpdates[] = {
    {"Defaults", ""},
    {"Version2", "compat=0.10"},
    {"Cluster512", "cluster_size=512"},
    {"Cluster512Refcount64", "cluster_size=512,refcount_bits=64"},
    {"Cluster4k", "cluster_size=4k,refcount_bits=2"},
    {"Cluster2M", "cluster_size=2M"},
    {"Extended", "extended_l2=on,cluster_size=16k"},
    {"Lazy", "lazy_refcounts=on"},
    {"Metadata", "preallocation=metadata"},
    {"PlainOverCompressed", "cluster_size=4k", true, false},
    {"CompressedOverPlain", "cluster_size=4k", false, true},
    {"CompressedOverCompressed", "", true, true},
    {"CompressedExtended", "extended_l2=on,cluster_size=16k", true, true},
    {"CompressedZstd", "compression_type=zstd", true, true},
};
constexpr UpdateCase kUpdatesWithoutSnapshots[] = {
    {"Refcount1", "refcount_bits=1"},
    {"CompressedRefcount1", "refcount_bits=1,cluster_size=4k", true, true},
    {"DataFile", "data_file=DIR/side.img"},
    {"DataFileRaw", "data_file=DIR/side.img,data_file_raw=on"},
};
std::string NameOf(const testing::TestParamInfo<UpdateCase>& info) { return info.param.name; }

class UpdatesImage : public testing::TestWithParam<UpdateCase> {
 protected:
  std::string Path(const char* name = "disk.qcow2") const { return folder_.File(name); }
  // An image full of other things.
  void MakeOld() {
    ExpectWritten(WriteImage(OpenFile(Path()), RandomGuest(30, kDiskSize, 4096), GetParam().options,
                             GetParam().compressed_before));
  }

  TempDir folder_;
};

TEST_P(UpdatesImage, ToHoldWhatIsWritten) {
  MakeOld();
  for (const std::uint64_t seed : {31U, 32U}) {
    const GuestDisk disk = WithoutHoles(RandomGuest(seed, kDiskSize, 4096));
    ExpectWritten(UpdateImage(OpenForUpdate(Path()), disk, GetParam().compress));
    ExpectClean(Path());
    EXPECT_EQ(GuestSha256ByQemu(Path()), disk.Sha256());
  }
}

// The format has no snapshots where counts are one bit wide or the data is in another file.
class UpdatesImageWithSnapshots : public UpdatesImage {};

TEST_P(UpdatesImageWithSnapshots, LeavesThemAlone) {
  MakeOld();
  const std::string before = GuestSha256ByQemu(Path());
  MustRun({"qemu-img", "snapshot", "-c", "one", Path()});
  for (const std::uint64_t seed : {34U, 35U}) {
    const GuestDisk disk = WithoutHoles(RandomGuest(seed, kDiskSize, 65536));
    ExpectWritten(UpdateImage(OpenForUpdate(Path()), disk, GetParam().compress));
    ExpectClean(Path());
    EXPECT_EQ(GuestSha256ByQemu(Path()), disk.Sha256());
  }
  MustRun({"qemu-img", "snapshot", "-a", "one", Path()});
  EXPECT_EQ(GuestSha256ByQemu(Path()), before);
}

TEST_P(UpdatesImage, HoweverItIsCut) {
  const GuestDisk disk = WithoutHoles(RandomGuest(36, kDiskSize, 4096));
  std::string whole;
  for (const std::uint64_t batch : {kDiskSize, std::uint64_t{1}, std::uint64_t{300000}}) {
    MakeOld();
    ExpectWritten(UpdateImage(OpenForUpdate(Path()), disk, GetParam().compress, batch));
    const std::string digest = Sha256OfFile(Path());
    if (whole.empty()) whole = digest;
    EXPECT_EQ(digest, whole) << batch;
  }
}

INSTANTIATE_TEST_SUITE_P(WithSnapshots, UpdatesImage, testing::ValuesIn(kUpdates), NameOf);
INSTANTIATE_TEST_SUITE_P(WithoutSnapshots, UpdatesImage, testing::ValuesIn(kUpdatesWithoutSnapshots), NameOf);
INSTANTIATE_TEST_SUITE_P(All, UpdatesImageWithSnapshots, testing::ValuesIn(kUpdates), NameOf);

// The refcount table of a tiny image has no room for what is written here.
TEST(UpdatesImageThat, HasToGrowItsRefcountTable) {
  const TempDir folder;
  const std::string path = folder.File("disk.qcow2");
  MustRun({"qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", path, "6M"});
  GuestDisk disk{.size = std::uint64_t{6} << 20, .ranges = {}};
  disk.ranges.push_back({0, disk.size, GuestRange::Kind::kNoise, 1});
  ExpectWritten(UpdateImage(OpenForUpdate(path), disk, false));
  ExpectClean(path);
  EXPECT_EQ(GuestSha256ByQemu(path), disk.Sha256());
}

TEST(UpdatesImageThat, HasABackingFile) {
  const TempDir folder;
  const std::string path = folder.File("disk.qcow2");
  WriteRawFile(RandomGuest(40, kDiskSize, 4096), folder.File("base.raw"));
  for (const char* options : {"", ",compat=0.10", ",extended_l2=on"}) {
    const GuestDisk nothing{.size = kDiskSize, .ranges = {}};
    ExpectWritten(WriteImage(OpenFile(path), nothing, std::string("backing_file=base.raw,backing_fmt=raw") + options));
    const GuestDisk disk = WithoutHoles(RandomGuest(41, kDiskSize, 4096));
    ExpectWritten(UpdateImage(OpenForUpdate(path), disk, false));
    ExpectClean(path);
    EXPECT_EQ(GuestSha256ByQemu(path), disk.Sha256());
    EXPECT_NE(MustRun({"qemu-img", "info", path}).find("backing file: base.raw"), std::string::npos);
  }
}

TEST(UpdatesImageThat, IsLargerThanTheSource) {
  const TempDir folder;
  const std::string path = folder.File("disk.qcow2");
  for (const std::uint64_t size : {std::uint64_t{1} << 20, (std::uint64_t{1} << 20) + 1024}) {
    const GuestDisk old = RandomGuest(50, kDiskSize, 4096);
    const GuestDisk disk = WithoutHoles(RandomGuest(51, size, 4096));
    ExpectWritten(WriteImage(OpenFile(path), old, ""));
    ExpectWritten(UpdateImage(OpenForUpdate(path), disk, false));
    ExpectClean(path);
    std::vector<std::byte> expected = old.Content();
    disk.Fill(0, std::span(expected).first(size));
    EXPECT_EQ(GuestSha256ByQemu(path), Sha256OfBytes(expected));
  }
}

// Who backs up by bitmap must see every change: all bits are set. A bitmap that does not record stays as it is.
TEST(UpdatesImageThat, HasBitmaps) {
  const TempDir folder;
  const std::string path = folder.File("disk.qcow2");
  ExpectWritten(WriteImage(OpenFile(path), RandomGuest(60, kDiskSize, 4096), ""));
  MustRun({"qemu-img", "bitmap", "--add", "-g", "64k", path, "recording"});
  MustRun({"qemu-img", "bitmap", "--add", "-g", "64k", path, "idle"});
  MustRun({"qemu-io", "-c", "write 1M 64k", path});
  MustRun({"qemu-img", "bitmap", "--disable", path, "idle"});
  ExpectWritten(UpdateImage(OpenForUpdate(path), WithoutHoles(RandomGuest(61, kDiskSize, 4096)), false));
  ExpectClean(path);
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto image = FindFormat("qcow2")->open(OpenFile(path, FileMode::Access::kRead), context);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  for (const auto& [index, bits] : {std::pair<std::size_t, int>{0, 33}, {1, 1}}) {
    std::vector<std::byte> bytes(5);
    ExpectWritten(image.value()->bitmaps()->ReadBitmap(index, 0, bytes));
    int set = 0;
    for (const std::byte byte : bytes) set += std::popcount(std::to_integer<unsigned>(byte));
    EXPECT_EQ(set, bits) << index;
  }
}

struct RefusedImage {
  const char* name;
  std::size_t field;  // offset in the header
  std::uint8_t value;
};

TEST(Update, RefusesImagesThatMustNotBeWritten) {
  const TempDir folder;
  for (const RefusedImage& refused : {RefusedImage{"dirty", 79, 1}, RefusedImage{"corrupt", 79, 2}}) {
    const std::string path = folder.File(refused.name);
    ExpectWritten(WriteImage(OpenFile(path), GuestDisk{.size = kDiskSize, .ranges = {}}, ""));
    const std::byte value{refused.value};
    ExpectWritten(OpenForUpdate(path)->WriteAt(refused.field, std::span(&value, 1)));
    const std::string before = Sha256OfFile(path);
    const auto outcome = UpdateImage(OpenForUpdate(path), RandomGuest(1, kDiskSize, 4096), false);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kUnsupported);
    EXPECT_EQ(Sha256OfFile(path), before);
  }
}

// An interruption may waste clusters; it never leaves an image that contradicts itself.
TEST(Update, LeavesAtWorstLeaksWhenItIsInterrupted) {
  const TempDir folder;
  const std::string path = folder.File("disk.qcow2");
  const GuestDisk old = RandomGuest(70, std::uint64_t{1} << 20, 4096);
  const GuestDisk disk = WithoutHoles(RandomGuest(71, std::uint64_t{1} << 20, 4096));
  // With the smallest clusters many tables are written before the data that they point at.
  for (const auto& [options, step] : {std::pair{"cluster_size=4k", 1}, std::pair{"cluster_size=512", 31}}) {
    for (int crash = 0;; crash += step) {
      ExpectWritten(WriteImage(OpenFile(path), old, options, true));
      const FaultPlan plan{.crash_before_write = static_cast<std::uint64_t>(crash)};
      if (UpdateImage(std::make_shared<FaultyStorage>(OpenForUpdate(path), plan), disk, false, 65536).ok()) break;
      const CommandResult check = RunCommand({"qemu-img", "check", path});
      EXPECT_TRUE(check.exit_code == 0 || check.exit_code == 3) << options << crash << check.out << check.err;
    }
  }
}

}  // namespace
}  // namespace platter::test
