#include <gtest/gtest.h>

#include <array>
#include <iterator>
#include <string>
#include <vector>

#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "tests/qcow2/new_image.h"
#include "tests/support/content.h"
#include "tests/support/memory_device.h"

namespace platter::test {
namespace {

struct ImageCase {
  const char* name;
  const char* options;
  bool compress = false;
};

void PrintTo(const ImageCase& image, std::ostream* out) { *out << image.name; }
std::string NameOf(const testing::TestParamInfo<ImageCase>& info) { return info.param.name; }

constexpr ImageCase kImages[] = {
    {"Defaults", ""},
    {"Cluster512", "cluster_size=512"},
    {"Cluster512Wide", "cluster_size=512,refcount_bits=64"},
    {"Cluster4k", "cluster_size=4k"},
    {"Cluster2M", "cluster_size=2M"},
    {"Version2", "compat=0.10"},
    {"Refcount1", "refcount_bits=1"},
    {"Refcount2", "refcount_bits=2,cluster_size=512"},
    {"Refcount64", "refcount_bits=64"},
    {"Lazy", "lazy_refcounts=on"},
    {"Extended", "extended_l2=on"},
    {"Extended16k", "extended_l2=on,cluster_size=16k"},
    {"Metadata", "preallocation=metadata"},
    {"Metadata512", "preallocation=metadata,cluster_size=512"},
    {"MetadataVersion2", "preallocation=metadata,compat=0.10"},
    {"MetadataExtended", "preallocation=metadata,extended_l2=on"},
    {"Falloc", "preallocation=falloc"},
    {"Full", "preallocation=full"},
    {"FullExtended", "preallocation=full,extended_l2=on"},
    {"DataFile", "data_file=DIR/side.img"},
    {"DataFileExtended", "data_file=DIR/side.img,extended_l2=on"},
    {"DataFileMetadata", "data_file=DIR/side.img,preallocation=metadata"},
    {"DataFileRaw", "data_file=DIR/side.img,data_file_raw=on"},
    {"Compressed", "", true},
    {"Compressed512", "cluster_size=512", true},
    {"Compressed4k", "cluster_size=4k", true},
    {"Compressed2M", "cluster_size=2M", true},
    {"CompressedVersion2", "compat=0.10", true},
    {"CompressedRefcount1", "refcount_bits=1", true},
    {"CompressedRefcount2", "refcount_bits=2,cluster_size=4k", true},
    {"CompressedExtended", "extended_l2=on", true},
    {"CompressedZstd", "compression_type=zstd", true},
    {"CompressedZstd4k", "compression_type=zstd,cluster_size=4k", true},
};

class NewImage : public testing::TestWithParam<ImageCase> {
 protected:
  std::string Path(const char* name = "disk.qcow2") const { return folder_.File(name); }

  TempDir folder_;
};

TEST_P(NewImage, HoldsWhatWasWritten) {
  for (const std::uint64_t seed : {1U, 2U}) {
    const GuestDisk disk = RandomGuest(seed, (std::uint64_t{3} << 20) + 512 * 77 * seed, seed == 1 ? 512 : 65536);
    ExpectWritten(WriteImage(OpenFile(Path()), disk, GetParam().options, GetParam().compress));
    ExpectClean(Path());
    EXPECT_EQ(GuestSha256ByQemu(Path()), disk.Sha256());
  }
}

TEST_P(NewImage, DoesNotDependOnHowItIsCut) {
  const GuestDisk disk = RandomGuest(3, (std::uint64_t{2} << 20) + 512, 512);
  ExpectWritten(WriteImage(OpenFile(Path("whole")), disk, GetParam().options, GetParam().compress, disk.size));
  const auto whole = FileBytes(Path("whole"));
  for (const std::uint64_t batch : {std::uint64_t{1}, std::uint64_t{100} << 10}) {
    ExpectWritten(WriteImage(OpenFile(Path("cut")), disk, GetParam().options, GetParam().compress, batch));
    EXPECT_TRUE(FileBytes(Path("cut")) == whole) << "batches of " << batch;
  }
}

TEST_P(NewImage, IsValidWhenNothingIsWritten) {
  for (const std::uint64_t size : {0U, 512U, 3U << 20}) {
    const GuestDisk disk{.size = size, .ranges = {}};
    ExpectWritten(WriteImage(OpenFile(Path()), disk, GetParam().options, GetParam().compress));
    ExpectClean(Path());
  }
}

INSTANTIATE_TEST_SUITE_P(All, NewImage, testing::ValuesIn(kImages), NameOf);

// What the device holds afterwards is an image, whatever it held before.
class NewImageOnDevice : public NewImage {};

TEST_P(NewImageOnDevice, FindsItsWay) {
  const GuestDisk disk = RandomGuest(5, (std::uint64_t{2} << 20) + 512, 4096);
  std::vector<std::byte> old(std::size_t{16} << 20);
  GuestDisk{.size = old.size(), .ranges = {{0, old.size(), GuestRange::Kind::kNoise, 9}}}.Fill(0, old);
  const auto device = std::make_shared<MemoryDevice>(Path(), old);
  ExpectWritten(WriteImage(device, disk, GetParam().options, GetParam().compress));
  const auto bytes = device->Snapshot();
  ASSERT_EQ(bytes.size(), old.size());
  ExpectWritten(OpenFile(Path())->WriteAt(0, bytes));
  ExpectClean(Path());
  EXPECT_EQ(GuestSha256ByQemu(Path()), disk.Sha256());
}

INSTANTIATE_TEST_SUITE_P(All, NewImageOnDevice,
                         testing::Values(ImageCase{"Defaults", ""}, ImageCase{"Version2", "compat=0.10"},
                                         ImageCase{"Cluster512", "cluster_size=512"},
                                         ImageCase{"Extended", "extended_l2=on"},
                                         ImageCase{"Metadata", "preallocation=metadata"},
                                         ImageCase{"FullExtended", "preallocation=full,extended_l2=on"},
                                         ImageCase{"Compressed", "", true},
                                         ImageCase{"Compressed4k", "cluster_size=4k", true}),
                         NameOf);

constexpr ImageCase kOverlays[] = {
    {"Defaults", ""},
    {"Version2", "compat=0.10"},
    {"Cluster4k", "cluster_size=4k"},
    {"Cluster512Refcount1", "cluster_size=512,refcount_bits=1"},
    {"Extended128k", "extended_l2=on,cluster_size=128k"},
    {"Extended2M", "extended_l2=on,cluster_size=2M"},
    {"ExtendedMetadata", "extended_l2=on,cluster_size=1M,preallocation=metadata"},
    {"ExtendedFull", "extended_l2=on,cluster_size=1M,preallocation=full"},
    {"DataFile", "data_file=DIR/side.img"},
    {"Compressed", "", true},
    {"CompressedVersion2", "compat=0.10", true},
    {"CompressedExtended", "extended_l2=on", true},
    {"CompressedZstd4k", "compression_type=zstd,cluster_size=4k", true},
};

class NewOverlay : public testing::TestWithParam<ImageCase> {};

// Over a backing file zeros have to be said, and holes show what is below.
TEST_P(NewOverlay, HidesItsBackingFileWhereItShould) {
  const TempDir folder;
  const GuestDisk base = RandomGuest(20, std::uint64_t{5} << 20, 4096);
  WriteRawFile(base, folder.File("base.raw"));
  const GuestDisk disk = RandomGuest(21, (std::uint64_t{5} << 20) + (300 << 10) + 512, 65536);
  std::vector<std::byte> expected(disk.size);
  base.Fill(0, std::span(expected).first(base.size));
  for (const GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) continue;
    disk.Fill(range.offset, std::span(expected).subspan(range.offset, range.length));
  }
  const std::string options = std::string("backing_file=base.raw,backing_fmt=raw,") + GetParam().options;
  ExpectWritten(WriteImage(OpenFile(folder.File("disk")), disk, options, GetParam().compress));
  ExpectClean(folder.File("disk"));
  EXPECT_EQ(GuestSha256ByQemu(folder.File("disk")), Sha256OfBytes(expected));
}

INSTANTIATE_TEST_SUITE_P(All, NewOverlay, testing::ValuesIn(kOverlays), NameOf);

TEST(NewImageOnFaultyStorage, IsNeverValidBeforeItIsWhole) {
  const GuestDisk disk = RandomGuest(4, std::uint64_t{1} << 20, 4096);
  for (const bool compress : {false, true}) {
    auto counted = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(), FaultPlan{});
    ExpectWritten(WriteImage(counted, disk, "cluster_size=4k", compress));
    const std::uint64_t writes = counted->write_count();
    for (std::uint64_t crash = 0; crash < writes; ++crash) {
      const auto memory = std::make_shared<MemoryStorage>();
      const auto faulty = std::make_shared<FaultyStorage>(memory, FaultPlan{.crash_before_write = crash});
      const auto outcome = WriteImage(faulty, disk, "cluster_size=4k", compress);
      ASSERT_FALSE(outcome.ok());
      EXPECT_EQ(outcome.error().kind(), ErrorKind::kIo);
      const auto bytes = memory->Snapshot();
      EXPECT_TRUE(bytes.size() < 4 || bytes[0] == std::byte{0}) << "crash before write " << crash;
    }
  }
}

TEST(NewImageOnFaultyStorage, ReportsEveryFailure) {
  const GuestDisk disk = RandomGuest(4, std::uint64_t{1} << 20, 4096);
  auto counted = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(), FaultPlan{});
  ExpectWritten(WriteImage(counted, disk, "cluster_size=4k"));
  std::vector<FaultPlan> plans = {{.fail_sync = 0}, {.fail_sync = 1}};
  for (std::uint64_t write = 0; write < counted->write_count(); ++write) {
    plans.push_back({.fail_write = write});
    plans.push_back({.torn_write = write});
  }
  for (const FaultPlan& plan : plans) {
    const auto faulty = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(), plan);
    const auto outcome = WriteImage(faulty, disk, "cluster_size=4k");
    // Resize cannot be torn.
    if (outcome.ok() && plan.torn_write != FaultPlan::kNever) continue;
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kIo);
  }
}

TEST(NewImageOnFaultyStorage, ReportsAFullDisk) {
  const GuestDisk disk = RandomGuest(4, std::uint64_t{1} << 20, 4096);
  const auto faulty = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(), FaultPlan{.capacity = 300000});
  const auto outcome = WriteImage(faulty, disk, "");
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().os_error(), ENOSPC);
}

// One run over 64 TiB: what is not there takes no time, no space and no memory.
TEST(HugeImage, CostsNothingWhileItIsEmpty) {
  const TempDir folder;
  {
    const auto request = NewImageRequest(OpenFile(folder.File("disk")), std::uint64_t{64} << 40, "");
    ASSERT_TRUE(request.ok());
    const auto writer = FindFormat("qcow2")->create(request.value());
    ASSERT_TRUE(writer.ok()) << writer.error().Describe();
    Batch batch;
    batch.length = request.value().virtual_size;
    batch.runs = {{Run::Kind::kZero, 0, batch.length}};
    ExpectWritten(writer.value()->Place(batch));
    ExpectWritten(writer.value()->Store(batch));
    ExpectWritten(writer.value()->Finish());
  }
  ExpectClean(folder.File("disk"));
  EXPECT_LT(OpenFile(folder.File("disk"), FileMode::Access::kRead)->allocated_size(), 65536u);
}

}  // namespace
}  // namespace platter::test
