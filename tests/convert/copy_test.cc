// The copy as a whole, raw to raw: the same bytes for any number of workers, and the right end to every failure.
#include "convert/copy/copy.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <vector>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/convert/disks.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/moving_storage.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

const FormatDriver& Raw() { return *FindFormat("raw"); }

std::shared_ptr<Image> OpenRaw(std::shared_ptr<Storage> storage) {
  DenyGate gate;
  auto image = Raw().open(std::move(storage), {.limits = {}, .gate = &gate, .contents = true, .options = {}});
  EXPECT_TRUE(image.ok());
  return std::move(image).value();
}

Result<std::unique_ptr<ImageWriter>> CreateRaw(std::shared_ptr<Storage> storage, std::uint64_t size) {
  CreateRequest request;
  request.storage = std::move(storage);
  request.virtual_size = size;
  return Raw().create(request);
}

Result<CopyReport> CopyRaw(const Chain& source, std::shared_ptr<Storage> target, const CopyOptions& options) {
  const Chain* const sources[] = {&source};
  auto writer = PLATTER_TRY(CreateRaw(std::move(target), source.virtual_size()));
  const CopyReport report = PLATTER_TRY(Copy(sources, *writer, options));
  PLATTER_CHECK(writer->Finish());
  return report;
}

class CopyFiles : public testing::Test {
 protected:
  std::shared_ptr<FileStorage> Make(const std::string& name) { return OpenFile(name, FileMode::Access::kCreate); }
  std::shared_ptr<FileStorage> OpenFile(const std::string& name, FileMode::Access access) {
    auto file = FileStorage::Open(folder_.File(name), {.access = access, .cache = CacheMode::kUnsafe, .lock = true});
    EXPECT_TRUE(file.ok());
    return std::move(file).value();
  }
  Chain Source(const test::GuestDisk& disk) {
    test::WriteRawFile(disk, folder_.File("source"));
    return test::OneLayer(OpenRaw(OpenFile("source", FileMode::Access::kRead)));
  }

  test::TempDir folder_;
};

// Where a file has data, as "offset+length": unlike its blocks on disk, this has no part of the host's own bookkeeping.
std::string DataRuns(Storage& file) {
  std::string runs;
  for (std::uint64_t at = 0; at < file.size();) {
    const auto run = file.DataMap(at);
    if (!run.ok()) return run.error().Describe();
    if (run.value().data) runs += std::to_string(at) + "+" + std::to_string(run.value().length) + " ";
    at += run.value().length;
  }
  return runs;
}

class CopyRandomDisks : public CopyFiles, public testing::WithParamInterface<unsigned> {};

TEST_P(CopyRandomDisks, AnyNumberOfWorkersGivesTheSameFile) {
  const test::GuestDisk disk = test::RandomGuest(GetParam(), 24 * kMiB + 512 * GetParam());
  const Chain source = Source(disk);
  const std::string digest = disk.Sha256();
  std::string first_runs;
  for (unsigned workers = 1; workers <= 8; ++workers) {
    CopyOptions options;
    options.workers = workers;
    const auto target = Make("target" + std::to_string(workers));
    const auto report = CopyRaw(source, target, options);
    ASSERT_TRUE(report.ok()) << report.error().Describe();
    EXPECT_EQ(report.value().data_bytes + report.value().zero_bytes, disk.size);
    EXPECT_EQ(test::Sha256OfFile(target->name()), digest);
    if (workers == 1) first_runs = DataRuns(*target);
    EXPECT_EQ(DataRuns(*target), first_runs);
  }
}

TEST_P(CopyRandomDisks, TheHostCopiesTheSame) {
  const test::GuestDisk disk = test::RandomGuest(GetParam() + 100, 24 * kMiB);
  const Chain source = Source(disk);
  CopyOptions options;
  options.in_kernel = true;
  const auto target = Make("target");
  const auto report = CopyRaw(source, target, options);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(test::Sha256OfFile(target->name()), disk.Sha256());
}

TEST_P(CopyRandomDisks, WithoutScanTheTargetIsFullyAllocated) {
  const test::GuestDisk disk = test::RandomGuest(GetParam() + 200, 8 * kMiB);
  const Chain source = Source(disk);
  CopyOptions options;
  options.sparse_granularity = 0;
  const auto target = Make("target");
  ASSERT_TRUE(CopyRaw(source, target, options).ok());
  EXPECT_EQ(test::Sha256OfFile(target->name()), disk.Sha256());
  EXPECT_GE(target->allocated_size(), disk.size);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CopyRandomDisks, testing::Range(1U, 5U));

TEST_F(CopyFiles, InKernelFallsBackWhereTheHostCannot) {
  const test::GuestDisk disk = test::RandomGuest(7, 8 * kMiB);
  const Chain source = Source(disk);
  CopyOptions options;
  options.in_kernel = true;
  const auto target = Make("target");
  ASSERT_TRUE(CopyRaw(source, std::make_shared<FaultyStorage>(target, FaultPlan{}), options).ok());
  EXPECT_EQ(test::Sha256OfFile(target->name()), disk.Sha256());
}

struct SharingCase {
  const char* name;
  std::uint64_t refuses_after;
  bool shares;
};

class CopyShares : public CopyFiles, public testing::WithParamInterface<SharingCase> {};

TEST_P(CopyShares, TheSameDisk) {
  const test::GuestDisk disk = test::RandomGuest(11, 24 * kMiB + 1536);
  const Chain source = Source(disk);
  for (const unsigned workers : {1U, 4U}) {
    const auto target = std::make_shared<test::MovingStorage>(GetParam().refuses_after);
    CopyOptions options;
    options.workers = workers;
    options.reflink_target = target.get();
    const auto report = CopyRaw(source, target, options);
    ASSERT_TRUE(report.ok()) << report.error().Describe();
    EXPECT_EQ(test::Sha256OfBytes(target->Snapshot()), disk.Sha256());
    EXPECT_EQ(report.value().in_kernel_bytes != 0, GetParam().shares);
    EXPECT_TRUE(target->whole_blocks());
    EXPECT_EQ(target->copied(), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CopyShares,
                         testing::Values(SharingCase{"all", 1024 * kMiB, true}, SharingCase{"some", 2 * kMiB, true},
                                         SharingCase{"refused", 0, false}),
                         [](const auto& row) { return row.param.name; });

std::shared_ptr<test::LayoutImage> Pattern(std::uint64_t mebibytes) {
  std::vector<test::Layout> layouts;
  for (std::uint64_t i = 0; i < mebibytes; ++i) {
    layouts.push_back({kMiB, BlockStatus::kData, static_cast<char>('A' + i % 26)});
  }
  return std::make_shared<test::LayoutImage>(layouts);
}

struct TargetFault {
  const char* name;
  FaultPlan plan;
  int os_error;
};

class CopyToFaultyTarget : public testing::TestWithParam<TargetFault> {};

TEST_P(CopyToFaultyTarget, FailsWithoutAWholeImage) {
  const Chain source = test::OneLayer(Pattern(16));
  for (unsigned workers = 1; workers <= 8; ++workers) {
    CopyOptions options;
    options.workers = workers;
    const auto target = std::make_shared<MemoryStorage>();
    const auto report = CopyRaw(source, std::make_shared<FaultyStorage>(target, GetParam().plan), options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().kind(), ErrorKind::kIo);
    EXPECT_EQ(report.error().os_error(), GetParam().os_error);
    EXPECT_LT(target->size(), source.virtual_size());
  }
}

INSTANTIATE_TEST_SUITE_P(All, CopyToFaultyTarget,
                         testing::Values(TargetFault{"first_write", {.fail_write = 0}, EIO},
                                         TargetFault{"later_write", {.fail_write = 9}, EIO},
                                         TargetFault{"last_write", {.fail_write = 32}, EIO},
                                         TargetFault{"torn", {.torn_write = 5}, EIO},
                                         TargetFault{"crash", {.crash_before_write = 7}, EIO},
                                         TargetFault{"full_disk", {.capacity = 6 * kMiB, .os_error = EIO}, ENOSPC}),
                         [](const auto& tested) { return tested.param.name; });

TEST(CopyFromFaultySource, NamesTheLowestFailingReadForAnyNumberOfWorkers) {
  for (unsigned workers = 1; workers <= 8; ++workers) {
    const auto image = Pattern(32);
    image->Break(5 * kMiB + 12345);
    CopyOptions options;
    options.workers = workers;
    const auto target = std::make_shared<MemoryStorage>();
    const auto report = CopyRaw(test::OneLayer(image), target, options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().os_error(), EIO);
    EXPECT_LT(target->size(), 32 * kMiB);
  }
}

TEST(CopyFromFaultySource, StopsAtMetadataThatLies) {
  const auto image = Pattern(32);
  image->Break(9 * kMiB, true);
  const auto report = CopyRaw(test::OneLayer(image), std::make_shared<MemoryStorage>(), {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind(), ErrorKind::kCorrupt);
}

TEST(CopyFromFaultySource, NoticesThatItShrank) {
  const auto base = std::make_shared<MemoryStorage>("source", std::vector<std::byte>(8 * kMiB, std::byte{1}));
  const auto shrinking = std::make_shared<FaultyStorage>(base, FaultPlan{.shrink_to = 5 * kMiB + 100});
  const auto target = std::make_shared<MemoryStorage>();
  const auto report = CopyRaw(test::OneLayer(OpenRaw(shrinking)), target, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind(), ErrorKind::kIo);
  EXPECT_LT(target->size(), 8 * kMiB);
}

TEST_F(CopyFiles, NoticesThatAFileShrinks) {
  const Chain source = Source({.size = 8 * kMiB, .ranges = {{0, 8 * kMiB, test::GuestRange::Kind::kNoise, 1}}});
  std::filesystem::resize_file(folder_.File("source"), 3 * kMiB);
  const auto report = CopyRaw(source, Make("target"), {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind(), ErrorKind::kIo);
}

TEST(Salvage, ReplacesTheSectorThatCannotBeRead) {
  const auto image = Pattern(4);
  image->Break(kMiB + 12345);
  CopyOptions options;
  options.salvage = true;
  std::vector<std::uint64_t> offsets;
  options.on_read_error = [&](std::uint64_t offset, const Error& /*error*/) { offsets.push_back(offset); };
  const auto target = std::make_shared<MemoryStorage>();
  const auto report = CopyRaw(test::OneLayer(image), target, options);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(report.value().read_errors, 1U);
  EXPECT_EQ(offsets, std::vector<std::uint64_t>{kMiB + 12288});
  const auto bytes = target->Snapshot();
  EXPECT_EQ(bytes[kMiB + 12287], std::byte{'B'});
  EXPECT_EQ(bytes[kMiB + 12288], std::byte{0});
  EXPECT_EQ(bytes[kMiB + 12799], std::byte{0});
  EXPECT_EQ(bytes[kMiB + 12800], std::byte{'B'});
}

TEST(Salvage, SkipsMetadataThatLies) {
  const auto image = Pattern(4);
  image->Break(kMiB + 12345, true);
  CopyOptions options;
  options.salvage = true;
  const auto report = CopyRaw(test::OneLayer(image), std::make_shared<MemoryStorage>(), options);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  // From the extent's start to the sector that the map lies about: nobody knows what is there.
  EXPECT_EQ(report.value().data_bytes, 4 * kMiB - 12800);
}

TEST(Cancel, EndsTheCopyFromInside) {
  std::atomic<bool> cancel{false};
  CopyOptions options;
  options.cancel = &cancel;
  options.progress = [&](std::uint64_t done, std::uint64_t /*total*/) { cancel = cancel || done >= 3 * kMiB; };
  const auto target = std::make_shared<MemoryStorage>();
  const auto report = CopyRaw(test::OneLayer(Pattern(64)), target, options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind(), ErrorKind::kCancelled);
  EXPECT_LT(target->size(), 64 * kMiB);
}

TEST(RateLimitedCopy, TakesItsTime) {
  CopyOptions options;
  options.rate_limit = 16 * kMiB;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(CopyRaw(test::OneLayer(Pattern(5)), std::make_shared<MemoryStorage>(), options).ok());
  // The first piece passes at once, each of the others waits for those before it.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(240));
}

TEST(Progress, AscendsToTheEnd) {
  std::uint64_t last = 0;
  CopyOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 9 * kMiB);
    last = done;
  };
  ASSERT_TRUE(CopyRaw(test::OneLayer(Pattern(9)), std::make_shared<MemoryStorage>(), options).ok());
  EXPECT_EQ(last, 9 * kMiB);
}

TEST(CopyIntoLongerTarget, KeepsWhatFollowsTheSource) {
  const auto content = std::make_shared<MemoryStorage>("old", std::vector<std::byte>(16384, std::byte{'o'}));
  const Chain old_content = test::OneLayer(OpenRaw(content));
  const Chain source =
      test::OneLayer(std::make_shared<test::LayoutImage>(std::vector<test::Layout>{{6144, BlockStatus::kData, 'A'}}));
  const Chain* const sources[] = {&source};
  test::RecordingWriter writer({.unit = 2048, .batch_alignment = 8192, .starts_zeroed = false, .compresses = false});
  CopyOptions options;
  options.target_content = &old_content;
  options.target_size = 16384;
  ASSERT_TRUE(Copy(sources, writer, options).ok());
  EXPECT_EQ(writer.units(), "AAAo");
}

}  // namespace
}  // namespace platter
