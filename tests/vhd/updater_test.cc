// Conversions into images that are there, and sizes foretold.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"
#include "tests/vhd/opening.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

const FormatDriver& Driver() { return *FindFormat("vhd"); }

// What is there after `disk` was written over `content`.
Bytes Over(Bytes content, const GuestDisk& disk) {
  for (const GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) continue;
    disk.Fill(range.offset, std::span(content).subspan(range.offset, range.length));
  }
  return content;
}

Result<> UpdateWith(std::shared_ptr<Storage> storage, const GuestDisk& disk, Dialect dialect = Dialect::kPlatter) {
  DenyGate gate;
  UpdateRequest request;
  request.storage = std::move(storage);
  request.context.gate = &gate;
  request.context.dialect = dialect;
  const auto writer = PLATTER_TRY(Driver().update(request));
  return WriteThrough(*writer, disk, 4 * kMiB);
}

std::uint64_t FindingsIn(const std::shared_ptr<Storage>& storage) {
  CheckRequest request;
  request.storage = storage;
  request.log = [](const std::string& line) { ADD_FAILURE() << line; };
  const auto report = Driver().check(request);
  EXPECT_TRUE(report.ok());
  return report.ok() ? report.value().corruptions + report.value().leaks : 1;
}

class Existing : public testing::TestWithParam<std::string> {};

TEST_P(Existing, ImagesTakeNewContent) {
  const std::uint64_t size = 9 * kMiB + 512 * 5;
  const GuestDisk before = RandomGuest(21, size, 512);
  const auto storage = InMemory({});
  CreateRequest request;
  request.storage = storage;
  request.virtual_size = size;
  request.options = OptionValues::Parse(GetParam(), Driver().create_options).value();
  ASSERT_TRUE(WriteThroughDriver(Driver(), request, before).ok());
  Bytes content = before.Content();
  for (std::uint64_t seed = 22; seed < 25; ++seed) {
    const GuestDisk disk = RandomGuest(seed, size, 512);
    const auto updated = UpdateWith(storage, disk);
    ASSERT_TRUE(updated.ok()) << updated.error().Describe();
    content = Over(std::move(content), disk);
    const auto image = TryOpen(storage);
    ASSERT_EQ(SizeOf(image), size);
    EXPECT_EQ(Sha256OfGuest(Chain({image.value()})), Sha256OfBytes(content));
    EXPECT_EQ(FindingsIn(storage), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Existing, testing::Values("force_size=on", "subformat=fixed,force_size=on"));

TEST(ExistingImages, GrowBySomeBlocksForQemuToo) {
  const TempDir folder;
  const std::string path = folder.File("image.vhd");
  const std::uint64_t size = 8 * kMiB;
  MustRun({"qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, std::to_string(size)});
  const GuestDisk disk = RandomGuest(31, size, 512);
  const auto file = FileStorage::Open(path, {.access = FileMode::Access::kReadWrite, .lock = false});
  ASSERT_TRUE(file.ok()) << file.error().Describe();
  const auto updated = UpdateWith(file.value(), disk, Dialect::kQemu);
  ASSERT_TRUE(updated.ok()) << updated.error().Describe();
  MustRun({"qemu-img", "convert", "-f", "vpc", "-O", "raw", path, folder.File("out.raw")});
  EXPECT_EQ(Sha256OfFile(folder.File("out.raw")), disk.Sha256());
}

// Sectors of the parent stay visible around what is written, zeros included.
TEST(ExistingImages, KeepTheirBitmaps) {
  SparseFields fields;
  fields.footer = {.size = 4 * kMiB, .type = 4};
  fields.blocks = {{0, {std::byte{0xBB}, std::byte{0x00}}}};
  fields.parent_name = "base.vhd";
  const auto storage = InMemory(MakeSparse(fields));
  GuestDisk disk{.size = 4 * kMiB, .ranges = {}};
  using Kind = GuestRange::Kind;
  disk.ranges = {{0, 1024, Kind::kHole, 0},       {1024, 1024, Kind::kNoise, 5},
                 {2048, 512, Kind::kZero, 0},     {2560, 3 * kMiB - 2560, Kind::kHole, 0},
                 {3 * kMiB, 512, Kind::kZero, 0}, {3 * kMiB + 512, kMiB - 512, Kind::kHole, 0}};
  const auto updated = UpdateWith(storage, disk);
  ASSERT_TRUE(updated.ok()) << updated.error().Describe();
  const auto image = TryOpen(storage);
  ASSERT_EQ(SizeOf(image), 4 * kMiB);
  const auto at = [&](std::uint64_t offset) { return image.value()->Map(offset, 4 * kMiB - offset).value(); };
  EXPECT_EQ(at(0).status, BlockStatus::kUnallocated);
  EXPECT_EQ(at(1024).status, BlockStatus::kData);
  EXPECT_EQ(at(1024).length, 1536u);
  EXPECT_EQ(ByteAt(*image.value(), 2048), std::byte{0});
  EXPECT_EQ(at(2560).status, BlockStatus::kUnallocated);
  EXPECT_EQ(at(3 * kMiB).length, 512u);
  EXPECT_EQ(ByteAt(*image.value(), 3 * kMiB), std::byte{0});
  EXPECT_EQ(FindingsIn(storage), 0u);
  EXPECT_FALSE(UpdateWith(storage, disk, Dialect::kQemu).ok());
}

TEST(Measure, IsWhatIsWritten) {
  for (const char* options : {"", "force_size=on", "subformat=fixed"}) {
    const GuestDisk disk = RandomGuest(41, 9 * kMiB, 512);
    const auto storage = InMemory({});
    CreateRequest request;
    request.storage = storage;
    request.virtual_size = disk.size;
    request.options = OptionValues::Parse(options, Driver().create_options).value();
    ASSERT_TRUE(WriteThroughDriver(Driver(), request, disk).ok());
    const Chain chain({TryOpen(storage).value()});
    const auto empty = Driver().measure({disk.size, request.options, nullptr});
    const auto full = Driver().measure({disk.size, request.options, &chain});
    ASSERT_TRUE(empty.ok() && full.ok());
    EXPECT_EQ(full.value().required, storage->size()) << options;
    EXPECT_LE(empty.value().required, full.value().required);
    EXPECT_GE(full.value().fully_allocated, storage->size());
  }
}

}  // namespace
}  // namespace platter::test
