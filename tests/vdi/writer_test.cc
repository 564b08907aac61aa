// Writing: qemu-img and 7zip read what we write.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"
#include "tests/vdi/images.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kDiskSize = 6 * kMiB + 512;

std::shared_ptr<Storage> NewFile(const std::string& path, FileMode::Access access = FileMode::Access::kCreate) {
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe, .lock = false});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

class WritesVdi : public testing::TestWithParam<const char*> {};

TEST_P(WritesVdi, ThatOthersRead) {
  const TempDir folder;
  const std::string path = folder.File("disk.vdi");
  const GuestDisk disk = RandomGuest(31, kDiskSize);
  const auto written = WriteVdi(NewFile(path), disk, GetParam());
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  MustRun({"qemu-img", "convert", "-f", "vdi", "-O", "raw", path, path + ".raw"});
  EXPECT_EQ(Sha256OfFile(path + ".raw"), disk.Sha256());
  EXPECT_EQ(MustRun({"qemu-img", "check", path}), "No errors were found on the image.\n");
  MustRun({"7zz", "x", "-y", "-bd", "-o" + folder.File("7z"), path});
  EXPECT_EQ(Sha256OfFile(folder.File("7z/disk.img")), disk.Sha256());
  const auto report = RunCommand({"file", "-b", path});
  EXPECT_NE(report.out.find("VirtualBox Disk Image, major 1, minor 1"), std::string::npos) << report.out;
}

INSTANTIATE_TEST_SUITE_P(All, WritesVdi,
                         testing::Values("", "static=on", "preallocation=falloc", "static=on,preallocation=full"));

TEST(VdiWriter, WritesOtherBlockSizes) {
  for (const char* size : {"512", "4k", "64k", "2M", "16M"}) {
    const GuestDisk disk = RandomGuest(32, kDiskSize);
    const auto storage = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WriteVdi(storage, disk, std::string("block_size=") + size).ok());
    const auto image = OpenVdi(storage);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    const auto content = Content(*image.value());
    ASSERT_TRUE(content.ok()) << size << content.error().Describe();
    EXPECT_EQ(content.value(), disk.Content()) << size;
  }
}

TEST(VdiWriter, GivesTheSameBytesForTheSameUuid) {
  const GuestDisk disk = RandomGuest(33, kDiskSize);
  std::vector<std::byte> images[2];
  for (auto& image : images) {
    const auto storage = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WriteVdi(storage, disk, "uuid={53dda878-6346-4B4A-a743-70b26c534203}").ok());
    image = storage->Snapshot();
  }
  EXPECT_EQ(images[0], images[1]);
  const auto opened = OpenVdi(InMemory(images[0]));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened.value()->info().id, "53dda878-6346-4b4a-a743-70b26c534203");
}

struct OptionCase {
  const char* name;
  const char* options;
  std::uint64_t size;
  ErrorKind kind;
};
void PrintTo(const OptionCase& tested, std::ostream* out) { *out << tested.name; }

class RefusesVdiOptions : public testing::TestWithParam<OptionCase> {};

TEST_P(RefusesVdiOptions, ByKind) {
  const auto written = WriteVdi(std::make_shared<MemoryStorage>(), {GetParam().size, {}}, GetParam().options);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind(), GetParam().kind) << written.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, RefusesVdiOptions,
                         testing::Values(OptionCase{"Metadata", "preallocation=metadata", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"Unknown", "preallocation=foo", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"BlockOdd", "block_size=3000", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"BlockSmall", "block_size=256", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"BlockLarge", "block_size=2G", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"Uuid", "uuid=53dda878", kMiB, ErrorKind::kInvalid},
                                         OptionCase{"UuidNull", "uuid=00000000-0000-0000-0000-000000000000", kMiB,
                                                    ErrorKind::kInvalid},
                                         OptionCase{"Large", "", std::uint64_t{512} << 40, ErrorKind::kUnsupported},
                                         OptionCase{"Largest", "", ~std::uint64_t{0}, ErrorKind::kUnsupported}),
                         [](const auto& tested) { return tested.param.name; });

TEST(VdiMeasure, EqualsWhatIsWritten) {
  const GuestDisk disk = RandomGuest(34, kDiskSize);
  for (const char* options : {"", "static=on", "block_size=64k", "block_size=4k,preallocation=falloc"}) {
    const auto source = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WriteVdi(source, disk, "block_size=512").ok());
    const auto image = OpenVdi(source);
    ASSERT_TRUE(image.ok());
    const Chain chain({image.value()});
    MeasureRequest request;
    request.virtual_size = disk.size;
    request.source = &chain;
    request.options = OptionValues::Parse(options, Vdi().create_options).value();
    const auto measured = Vdi().measure(request);
    ASSERT_TRUE(measured.ok());
    const auto target = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WriteVdi(target, disk, options).ok());
    EXPECT_EQ(target->size(), measured.value().required) << options;
    EXPECT_GE(measured.value().fully_allocated, measured.value().required);
  }
}

// A second random disk over the first one, in images whose blocks lie in any order.
class UpdatesVdi : public testing::TestWithParam<const char*> {};

TEST_P(UpdatesVdi, InPlace) {
  const TempDir folder;
  const std::string path = folder.File("disk.vdi");
  MustRun({"qemu-img", "create", "-q", "-f", "vdi", "-o", GetParam(), path, std::to_string(kDiskSize)});
  WriteWithQemuIo(RandomGuest(35, kDiskSize), path, "vdi", 6);
  const GuestDisk after = RandomGuest(36, kDiskSize);
  DenyGate gate;
  UpdateRequest request;
  request.storage = NewFile(path, FileMode::Access::kReadWrite);
  request.context.gate = &gate;
  auto writer = Vdi().update(request);
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  GuestDisk overwrite = after;
  for (GuestRange& range : overwrite.ranges) {
    if (range.kind == GuestRange::Kind::kHole) range.kind = GuestRange::Kind::kZero;
  }
  const auto written = WriteThrough(*writer.value(), overwrite, 3 * kMiB);
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  MustRun({"qemu-img", "convert", "-f", "vdi", "-O", "raw", path, path + ".raw"});
  EXPECT_EQ(Sha256OfFile(path + ".raw"), after.Sha256());
  EXPECT_EQ(MustRun({"qemu-img", "check", path}), "No errors were found on the image.\n");
}

INSTANTIATE_TEST_SUITE_P(All, UpdatesVdi, testing::Values("static=off", "static=on"));

TEST(VdiUpdate, OfAChildHidesTheParent) {
  const auto storage = InMemory(
      Fixture{.type = 4, .entries = {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE, 0}, .stored = 1, .parent = 5}.Bytes());
  DenyGate gate;
  UpdateRequest request;
  request.storage = storage;
  request.context.gate = &gate;
  auto writer = Vdi().update(request);
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  const GuestDisk disk{4 * 4096,
                       {{0, 4096, GuestRange::Kind::kZero, 0},
                        {4096, 8192, GuestRange::Kind::kNoise, 1},
                        {12288, 4096, GuestRange::Kind::kZero, 0}}};
  ASSERT_TRUE(WriteThrough(*writer.value(), disk).ok());
  const auto image = OpenVdi(storage);
  ASSERT_TRUE(image.ok());
  const auto content = Content(*image.value());
  ASSERT_TRUE(content.ok()) << content.error().Describe();
  EXPECT_EQ(content.value(), disk.Content());
  const auto extent = image.value()->Map(0, 4096);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent.value().status, BlockStatus::kZero);
}

}  // namespace
}  // namespace platter::test
