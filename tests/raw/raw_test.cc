#include <gtest/gtest.h>

#include <algorithm>

#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/guest.h"
#include "tests/support/memory_device.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

const FormatDriver& Raw() { return *FindFormat("raw"); }

OptionValues Options(const std::string& text, std::span<const OptionSpec> specs) {
  auto options = OptionValues::Parse(text, specs);
  EXPECT_TRUE(options.ok());
  return std::move(options).value();
}

std::shared_ptr<MemoryStorage> Memory(std::size_t size, char fill) {
  return std::make_shared<MemoryStorage>("memory", std::vector<std::byte>(size, static_cast<std::byte>(fill)));
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const std::string& options = "") {
  DenyGate gate;
  return Raw().open(std::move(storage),
                    {.limits = {}, .gate = &gate, .contents = true, .options = Options(options, Raw().open_options)});
}

TEST(RawReader, RoundsTheSizeUpToASector) {
  const auto image = Open(Memory(70001, 'A'));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value()->info().virtual_size, 70144U);
  std::vector<std::byte> end(512);
  ASSERT_TRUE(image.value()->ReadAt(70144 - 512, end).ok());
  EXPECT_EQ(end[368], std::byte{'A'});
  EXPECT_EQ(end[369], std::byte{0});
  const auto extent = image.value()->Map(0, 70144);
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent.value().length, 70144U);
}

TEST(RawReader, OpensAPartOfAFile) {
  auto storage = Memory(4096, 'A');
  ASSERT_TRUE(storage->WriteAt(1024, std::vector<std::byte>(512, std::byte{'B'})).ok());
  const auto image = Open(storage, "offset=1024,size=512");
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value()->info().virtual_size, 512U);
  std::vector<std::byte> bytes(512);
  ASSERT_TRUE(image.value()->ReadAt(0, bytes).ok());
  EXPECT_EQ(std::ranges::count(bytes, std::byte{'B'}), 512);
}

TEST(RawReader, RefusesAPartThatTheFileDoesNotHave) {
  EXPECT_FALSE(Open(Memory(4096, 'A'), "offset=8192").ok());
  EXPECT_FALSE(Open(Memory(4096, 'A'), "offset=1024,size=4096").ok());
}

TEST(RawReader, SeesTheHolesOfAFile) {
  const test::TempDir folder;
  const test::GuestDisk disk{3 * kMiB,
                             {{0, kMiB, test::GuestRange::Kind::kNoise, 1},
                              {kMiB, kMiB, test::GuestRange::Kind::kHole, 0},
                              {2 * kMiB, kMiB, test::GuestRange::Kind::kNoise, 2}}};
  test::WriteRawFile(disk, folder.File("disk"));
  auto storage = FileStorage::Open(folder.File("disk"), {});
  ASSERT_TRUE(storage.ok());
  const auto image = Open(std::move(storage).value());
  ASSERT_TRUE(image.ok());
  for (std::uint64_t at = 0; at < 3; ++at) {
    const auto extent = image.value()->Map(at * kMiB, (3 - at) * kMiB);
    ASSERT_TRUE(extent.ok());
    EXPECT_EQ(extent.value().length, kMiB);
    EXPECT_EQ(extent.value().status, at == 1 ? BlockStatus::kZero : BlockStatus::kData);
  }
}

struct PreallocationCase {
  const char* mode;
  bool allocated;
};

class RawPreallocation : public testing::TestWithParam<PreallocationCase> {};

TEST_P(RawPreallocation, TakesTheSpaceItSays) {
  const test::TempDir folder;
  auto storage = FileStorage::Open(folder.File("disk"),
                                   {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe, .lock = false});
  ASSERT_TRUE(storage.ok());
  CreateRequest request;
  request.storage = storage.value();
  request.virtual_size = 4 * kMiB + 1;
  request.options = Options(std::string("preallocation=") + GetParam().mode, Raw().create_options);
  auto writer = Raw().create(request);
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  EXPECT_LT(storage.value()->size(), 4 * kMiB + 512) << "whole before Finish";
  ASSERT_TRUE(writer.value()->Finish().ok());
  EXPECT_EQ(storage.value()->size(), 4 * kMiB + 512);
  EXPECT_EQ(storage.value()->allocated_size() >= 4 * kMiB, GetParam().allocated);
}

INSTANTIATE_TEST_SUITE_P(All, RawPreallocation,
                         testing::Values(PreallocationCase{"off", false}, PreallocationCase{"falloc", true},
                                         PreallocationCase{"full", true}),
                         [](const auto& tested) { return tested.param.mode; });

TEST(RawWriter, RefusesWhatRawDoesNotHave) {
  CreateRequest request;
  request.storage = std::make_shared<MemoryStorage>();
  request.virtual_size = kMiB;
  request.compress = true;
  EXPECT_EQ(Raw().create(request).error().kind(), ErrorKind::kUnsupported);
  request.compress = false;
  request.options = Options("preallocation=metadata", Raw().create_options);
  EXPECT_EQ(Raw().create(request).error().kind(), ErrorKind::kInvalid);
}

TEST(RawWriter, TakesHintsThatTheHostDoesNotKnow) {
  const test::TempDir folder;
  auto storage = FileStorage::Open(folder.File("disk"), {.access = FileMode::Access::kCreate});
  ASSERT_TRUE(storage.ok());
  CreateRequest request;
  request.storage = std::move(storage).value();
  request.virtual_size = kMiB;
  request.options = Options("extent_size_hint=2M,nocow=on", Raw().create_options);
  EXPECT_TRUE(Raw().create(request).ok());
}

// A batch of one run.
Batch OneRun(Run::Kind kind, std::uint64_t length, std::span<const std::byte> bytes) {
  Batch batch;
  batch.length = length;
  batch.runs = {{kind, 0, length}};
  batch.bytes = bytes;
  return batch;
}

void Write(ImageWriter& writer, Batch batch) {
  ASSERT_TRUE(writer.Encode(batch).ok());
  ASSERT_TRUE(writer.Place(batch).ok());
  ASSERT_TRUE(writer.Store(batch).ok());
}

class RawUpdate : public testing::Test {
 protected:
  std::unique_ptr<ImageWriter> Update(const std::string& options = "") {
    UpdateRequest request;
    request.storage = storage_;
    request.context.options = Options(options, Raw().open_options);
    auto writer = Raw().update(request);
    EXPECT_TRUE(writer.ok());
    return std::move(writer).value();
  }
  std::string Text() const {
    std::string text;
    for (const std::byte byte : storage_->Snapshot()) text += static_cast<char>(byte);
    return text;
  }

  std::shared_ptr<MemoryStorage> storage_ = Memory(2048, 'o');
};

TEST_F(RawUpdate, KeepsTheSizeOfALongerFile) {
  const std::vector<std::byte> bytes(1024, std::byte{'n'});
  auto writer = Update();
  EXPECT_FALSE(writer->traits().starts_zeroed);
  Write(*writer, OneRun(Run::Kind::kData, 1024, bytes));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(Text(), std::string(1024, 'n') + std::string(1024, 'o'));
}

TEST_F(RawUpdate, PunchesZeros) {
  auto writer = Update();
  Write(*writer, OneRun(Run::Kind::kZero, 1024, {}));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(Text(), std::string(1024, '\0') + std::string(1024, 'o'));
}

TEST_F(RawUpdate, LeavesWhatItIsToldToLeave) {
  auto writer = Update();
  Write(*writer, OneRun(Run::Kind::kBacking, 1024, {}));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(Text(), std::string(2048, 'o'));
}

TEST_F(RawUpdate, WritesAPartOfTheFile) {
  const std::vector<std::byte> bytes(512, std::byte{'n'});
  auto writer = Update("offset=512,size=512");
  Write(*writer, OneRun(Run::Kind::kData, 512, bytes));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(Text(), std::string(512, 'o') + std::string(512, 'n') + std::string(1024, 'o'));
}

// An image's header that was on it, with the names in it, must not come back to life.
TEST(RawOnDevice, NewOnesDoNotStartWithWhatWasThere) {
  const std::vector<std::byte> before(kMiB, std::byte{7});
  const auto device = std::make_shared<test::MemoryDevice>("device", before);
  CreateRequest request;
  request.storage = device;
  request.virtual_size = kMiB;
  auto writer = Raw().create(request);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer.value()->Finish().ok());
  std::vector<std::byte> expected = before;
  std::fill_n(expected.begin(), 512, std::byte{0});
  EXPECT_EQ(device->Snapshot(), expected);
}

// A file as a block device of this host, as long as it lives.
class LoopDevice {
 public:
  explicit LoopDevice(const std::string& file) : attached_(test::RunCommand({"losetup", "-f", "--show", file})) {}
  ~LoopDevice() {
    if (attached_.exit_code == 0) test::MustRun({"losetup", "-d", path()});
  }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;

  bool ok() const { return attached_.exit_code == 0; }
  const std::string& trouble() const { return attached_.err; }
  std::string path() const { return attached_.out.substr(0, attached_.out.find('\n')); }

 private:
  test::CommandResult attached_;
};

// A block device of this host: what it held before does not read as zero, and its size stays.
TEST(RawOnDevice, IsOverwrittenAndZeroed) {
  const test::TempDir folder;
  test::WriteRawFile({2 * kMiB, {{0, 2 * kMiB, test::GuestRange::Kind::kNoise, 1}}}, folder.File("disk"));
  const LoopDevice device(folder.File("disk"));
  ASSERT_TRUE(device.ok()) << "no loop devices here (this test wants root): " << device.trouble();
  auto storage = FileStorage::Open(device.path(), {.access = FileMode::Access::kCreate});
  ASSERT_TRUE(storage.ok()) << storage.error().Describe();
  EXPECT_TRUE(storage.value()->is_device());
  CreateRequest request;
  request.storage = storage.value();
  request.virtual_size = 4 * kMiB;
  EXPECT_EQ(Raw().create(request).error().kind(), ErrorKind::kInvalid) << "the device is too small";
  request.virtual_size = kMiB;
  auto writer = Raw().create(request);
  ASSERT_TRUE(writer.ok());
  EXPECT_FALSE(writer.value()->traits().starts_zeroed);
  Write(*writer.value(), OneRun(Run::Kind::kZero, kMiB, {}));
  EXPECT_TRUE(writer.value()->Finish().ok());
  std::vector<std::byte> bytes(kMiB);
  EXPECT_TRUE(storage.value()->ReadAt(0, bytes).ok());
  EXPECT_EQ(std::ranges::count(bytes, std::byte{0}), static_cast<std::ptrdiff_t>(kMiB));
}

}  // namespace
}  // namespace platter
