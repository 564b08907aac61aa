// Writing, updating, checking and repairing single image files, with qemu-img as the judge.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/ploop/images.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kDiskSize = 3 * kMiB + 512;

std::shared_ptr<Storage> NewFile(const std::string& path, FileMode::Access access = FileMode::Access::kCreate) {
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe, .lock = false});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

void ExpectGuest(const std::string& path, const GuestDisk& disk) {
  MustRun({"qemu-img", "convert", "-f", "parallels", "-O", "raw", path, path + ".raw"});
  EXPECT_EQ(Sha256OfFile(path + ".raw"), disk.Sha256());
  const std::string report = MustRun({"qemu-img", "check", path});
  EXPECT_TRUE(report.starts_with("No errors were found on the image.\n")) << report;
}

class WritesPloop : public testing::TestWithParam<const char*> {};

TEST_P(WritesPloop, ThatQemuReads) {
  const TempDir folder;
  const std::string path = folder.File("disk.hdd");
  const GuestDisk disk = RandomGuest(51, kDiskSize);
  const auto written = WritePloop(NewFile(path), disk, GetParam());
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  ExpectGuest(path, disk);
}

INSTANTIATE_TEST_SUITE_P(All, WritesPloop,
                         testing::Values("", "cluster_size=64k", "cluster_size=100k", "cluster_size=512",
                                         "cluster_size=64k,preallocation=full"));

struct OptionCase {
  const char* name;
  const char* options;
  std::uint64_t size;
};
void PrintTo(const OptionCase& tested, std::ostream* out) { *out << tested.name; }

class RefusesPloopOptions : public testing::TestWithParam<OptionCase> {};

TEST_P(RefusesPloopOptions, AsInvalid) {
  const auto written = WritePloop(std::make_shared<MemoryStorage>(), {GetParam().size, {}}, GetParam().options);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind(), ErrorKind::kInvalid) << written.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, RefusesPloopOptions,
                         testing::Values(OptionCase{"Metadata", "preallocation=metadata", kMiB},
                                         OptionCase{"Unknown", "preallocation=foo", kMiB},
                                         OptionCase{"ClusterHuge", "cluster_size=4G", kMiB},
                                         OptionCase{"ClusterNone", "cluster_size=0", kMiB},
                                         OptionCase{"Large", "cluster_size=512", std::uint64_t{1} << 40},
                                         OptionCase{"Largest", "", ~std::uint64_t{0}}),
                         [](const auto& tested) { return tested.param.name; });

TEST(PloopMeasure, EqualsWhatIsWritten) {
  const GuestDisk disk = RandomGuest(52, kDiskSize);
  const auto source = std::make_shared<MemoryStorage>();
  ASSERT_TRUE(WritePloop(source, disk, "cluster_size=512").ok());
  const auto image = OpenPloop(source);
  ASSERT_TRUE(image.ok());
  const Chain chain({image.value()});
  for (const char* options : {"", "cluster_size=64k", "cluster_size=100k", "cluster_size=4k,preallocation=falloc"}) {
    MeasureRequest request;
    request.virtual_size = disk.size;
    request.source = &chain;
    request.options = OptionValues::Parse(options, Ploop().create_options).value();
    const auto measured = Ploop().measure(request);
    ASSERT_TRUE(measured.ok());
    const auto target = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WritePloop(target, disk, options).ok());
    EXPECT_EQ(target->size(), measured.value().required) << options;
  }
}

// A second random disk over the first one, in images whose clusters lie in any order.
class UpdatesPloop : public testing::TestWithParam<const char*> {
 protected:
  static Result<> Overwrite(const std::shared_ptr<Storage>& storage, GuestDisk disk) {
    DenyGate gate;
    UpdateRequest request;
    request.storage = storage;
    request.context.gate = &gate;
    for (GuestRange& range : disk.ranges) {
      if (range.kind == GuestRange::Kind::kHole) range.kind = GuestRange::Kind::kZero;
    }
    const auto writer = PLATTER_TRY(Ploop().update(request));
    return WriteThrough(*writer, disk);
  }
};

TEST_P(UpdatesPloop, InPlace) {
  const TempDir folder;
  const std::string path = folder.File("disk.hdd");
  MustRun({"qemu-img", "create", "-q", "-f", "parallels", "-o", GetParam(), path, std::to_string(kDiskSize)});
  WriteWithQemuIo(RandomGuest(53, kDiskSize), path, "parallels", 6);
  const GuestDisk after = RandomGuest(54, kDiskSize);
  const auto updated = Overwrite(NewFile(path, FileMode::Access::kReadWrite), after);
  ASSERT_TRUE(updated.ok()) << updated.error().Describe();
  ExpectGuest(path, after);
}

INSTANTIATE_TEST_SUITE_P(All, UpdatesPloop,
                         testing::Values("cluster_size=1M", "cluster_size=64k", "cluster_size=100k"));

TEST_F(UpdatesPloop, Version1) {
  const TempDir folder;
  const std::string path = folder.File("disk.hdd");
  const GuestDisk disk{4 * Fixture::kCluster, {{0, 4 * Fixture::kCluster, GuestRange::Kind::kNoise, 3}}};
  const auto old = Fixture{.version = 1, .entries = {0, 9, 0, 1}, .stored = 2, .data_sector = 1}.Bytes();
  ASSERT_TRUE(NewFile(path)->WriteAt(0, old).ok());
  const auto updated = Overwrite(NewFile(path, FileMode::Access::kReadWrite), disk);
  ASSERT_TRUE(updated.ok()) << updated.error().Describe();
  ExpectGuest(path, disk);
  const auto image = OpenPloop(NewFile(path, FileMode::Access::kRead));
  ASSERT_TRUE(image.ok());
  const auto content = Content(*image.value());
  ASSERT_TRUE(content.ok()) << content.error().Describe();
  EXPECT_EQ(content.value(), disk.Content());
}

TEST_F(UpdatesPloop, NotWhatWasNotClosed) {
  auto bytes = Fixture{.entries = {1}, .stored = 1}.Bytes();
  Poke<std::uint32_t>(bytes, 44, 0x746F6E59);
  const auto updated = Overwrite(InMemory(bytes), {Fixture::kCluster, {}});
  ASSERT_FALSE(updated.ok());
  EXPECT_EQ(updated.error().kind(), ErrorKind::kUnsupported);
}

struct CheckCase {
  const char* name;
  std::vector<std::uint32_t> entries;
  std::uint32_t stored;
  bool open;
  std::vector<std::string> lines;
  std::uint64_t corruptions;
  std::uint64_t leaks;
  std::uint64_t left;  // corruptions after -r all
};
void PrintTo(const CheckCase& tested, std::ostream* out) { *out << tested.name; }

class ChecksPloop : public testing::Test {
 protected:
  Result<CheckReport> Check(Repair repair, Dialect dialect = Dialect::kPlatter) {
    lines_.clear();
    DenyGate gate;
    CheckRequest request;
    request.storage = storage_;
    request.repair = repair;
    request.context.gate = &gate;
    request.context.dialect = dialect;
    request.log = [&](const std::string& line) { lines_.push_back(line); };
    return Ploop().check(request);
  }

  std::shared_ptr<Storage> storage_;
  std::vector<std::string> lines_;
};

class ChecksDamagedPloop : public ChecksPloop, public testing::WithParamInterface<CheckCase> {};

TEST_P(ChecksDamagedPloop, FindsAndRepairs) {
  auto bytes = Fixture{.entries = GetParam().entries, .stored = GetParam().stored}.Bytes();
  if (GetParam().open) Poke<std::uint32_t>(bytes, 44, 0x746F6E59);
  storage_ = InMemory(bytes);
  const auto found = Check(Repair::kNothing);
  ASSERT_TRUE(found.ok()) << found.error().Describe();
  EXPECT_EQ(lines_, GetParam().lines);
  EXPECT_EQ(found.value().corruptions, GetParam().corruptions);
  EXPECT_EQ(found.value().leaks, GetParam().leaks);
  const auto repaired = Check(Repair::kAll);
  ASSERT_TRUE(repaired.ok());
  EXPECT_EQ(repaired.value().corruptions, GetParam().left);
  EXPECT_EQ(repaired.value().leaks, 0u);
  EXPECT_EQ(repaired.value().leaks_fixed, GetParam().leaks);
  const auto again = Check(Repair::kNothing);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value().corruptions, GetParam().left);
}

INSTANTIATE_TEST_SUITE_P(
    All, ChecksDamagedPloop,
    testing::Values(CheckCase{"Sound", {2, 0, 1}, 2, false, {}, 0, 0, 0},
                    CheckCase{"Tail", {1}, 3, false, {"ERROR space leaked at the end of the image 8192"}, 0, 2, 0},
                    CheckCase{"Open", {1}, 1, true, {"ERROR image was not closed correctly"}, 1, 0, 0},
                    CheckCase{"Outside", {1, 9}, 1, false, {"ERROR cluster 1 is outside image"}, 1, 0, 0},
                    CheckCase{"AtTheEnd", {1, 2}, 1, false, {"ERROR cluster 1 is misplaced or cut short"}, 1, 0, 1},
                    CheckCase{"Twice", {1, 1}, 1, false, {"ERROR cluster 1 shares its place with another"}, 1, 0, 1}),
    [](const auto& tested) { return tested.param.name; });

// qemu-img cuts off the extension, and what an unknown section may refer to.
TEST_F(ChecksPloop, TailThatAnUnknownSectionMayUseStays) {
  for (const Dialect dialect : {Dialect::kPlatter, Dialect::kQemu}) {
    auto bytes = WithExtension(0);
    bytes.resize(bytes.size() + Fixture::kCluster);
    storage_ = InMemory(bytes);
    const auto repaired = Check(Repair::kAll, dialect);
    ASSERT_TRUE(repaired.ok()) << repaired.error().Describe();
    EXPECT_EQ(repaired.value().leaks, 1u);
    EXPECT_EQ(storage_->size(), bytes.size());
  }
}

}  // namespace
}  // namespace platter::test
