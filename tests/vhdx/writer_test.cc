// New images, differencing disks and updates: read by qemu, by 7-Zip, and by ourselves.
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/libvhdi.h"
#include "tests/support/memory_device.h"
#include "tests/support/temp_dir.h"
#include "tests/vhdx/vhdx_bytes.h"

namespace platter::test {
namespace {

using vhdx::kMiB;

std::shared_ptr<Storage> NewFile(const std::string& path) {
  auto file = FileStorage::Open(path, {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

Result<OpenedChain> OpenChainAt(const std::string& path) {
  LocalGate gate(FileMode{.lock = false});
  OpenContext context;
  context.gate = &gate;
  auto storage = PLATTER_TRY(FileStorage::Open(path, {.lock = false}));
  auto top = PLATTER_TRY(OpenLayer(path, std::move(storage), nullptr, context));
  return OpenChain(std::move(top), context);
}

std::string DigestOf(const std::string& path) {
  const auto opened = OpenChainAt(path);
  EXPECT_TRUE(opened.ok()) << opened.error().Describe();
  return opened.ok() ? Sha256OfGuest(opened.value().chain()) : "";
}

// 7-Zip follows the parent locator by itself.
std::string DigestBySevenZip(const std::string& path) {
  const CommandResult listed = RunCommand({"sh", "-c", "7zz x -so \"$0\" | sha256sum", path});
  return listed.out.substr(0, 64);
}

std::string IdOf(const std::string& path) { return OpenChainAt(path).value().layers.front().image->info().id; }

// What a child shows: its own data and zeros over the parent's.
std::vector<std::byte> Overlaid(const GuestDisk& parent, const GuestDisk& child) {
  std::vector<std::byte> bytes(child.size);
  parent.Fill(0, std::span(bytes).first(std::min(parent.size, child.size)));
  for (std::uint64_t at = 0; at < child.size; at += 4096) {
    // The writer is given whole units: a unit with any data is data as a whole.
    const std::uint64_t end = std::min(child.size, at + 4096);
    bool data = false;
    bool zero = false;
    for (const GuestRange& range : child.ranges) {
      if (range.end() <= at || range.offset >= end) continue;
      data = data || range.data();
      zero = zero || range.kind == GuestRange::Kind::kZero;
    }
    const auto part = std::span(bytes).subspan(at, end - at);
    if (data) child.Fill(at, part);
    if (!data && zero) std::ranges::fill(part, std::byte{0});
  }
  return bytes;
}

TEST(NewVhdx, IsTheSameForTheSameInput) {
  const GuestDisk disk = RandomGuest(3, 5 * kMiB + 512 * 9);
  const VhdxBytes once = VhdxBytes::Of(disk);
  for (const std::uint64_t batch : {std::uint64_t{1}, std::uint64_t{300} << 10, disk.size}) {
    const auto storage = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(WriteVhdx(storage, disk, kPinned, "", batch).ok());
    EXPECT_TRUE(storage->Snapshot() == once.bytes) << "batches of " << batch;
  }
}

struct OptionCase {
  const char* name;
  const char* options;
  const char* words;  // of the error; "" where there is none
};
void PrintTo(const OptionCase& option, std::ostream* out) { *out << option.name; }

constexpr OptionCase kOptions[] = {
    {"BlockNoPowerOfTwo", "block_size=3M", "Block size must be a power of two"},
    {"BlockRoundedToNone", "block_size=2.5M", "Block size must be a power of two"},
    {"LogZero", "log_size=0", "Log size must be a multiple of 1 MB"},
    {"LogTooLarge", "log_size=4G", "Log size must be smaller than 4 GB"},
    {"Subformat", "subformat=differencing", "Parameter 'subformat' does not accept value 'differencing'"},
    {"Sector", "logical_sector_size=1024", "Logical sector size must be 512 or 4096"},
    {"Uuid", "uuid=1234", "Parameter 'uuid' expects a GUID"},
    {"ParentUnknown", "backing_file=x.vhdx", "must be a VHDX image"},
    {"FormatOnly", "backing_fmt=vhdx", "Backing format cannot be used without backing file"},
    {"BlockBelowMinimum", "block_size=1", ""},
    {"BlockAboveMaximum", "block_size=512M", ""},
    {"LogRounded", "log_size=1", ""},
    {"Sector4096", "logical_sector_size=4096,block_size=1M", ""},
};

class NewVhdxOptions : public testing::TestWithParam<OptionCase> {};

TEST_P(NewVhdxOptions, AreCheckedAsQemuChecksThem) {
  const GuestDisk disk = RandomGuest(8, 2 * kMiB);
  const auto storage = std::make_shared<MemoryStorage>();
  const auto written = WriteVhdx(storage, disk, GetParam().options);
  if (*GetParam().words == '\0') {
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    EXPECT_EQ(ReadVhdx(storage).value(), disk.Sha256());
    return;
  }
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind(), ErrorKind::kInvalid);
  EXPECT_NE(written.error().Describe().find(GetParam().words), std::string::npos) << written.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, NewVhdxOptions, testing::ValuesIn(kOptions),
                         [](const auto& row) { return row.param.name; });

// Whatever the device held before.
TEST(NewVhdx, FitsOnADevice) {
  const GuestDisk disk = RandomGuest(5, 3 * kMiB + 512);
  const TempDir folder;
  for (const char* options : {"block_size=1M", "subformat=fixed,block_size=2M", "block_state_zero=off"}) {
    std::vector<std::byte> old(16 * kMiB, std::byte{0xA5});
    const auto device = std::make_shared<MemoryDevice>("device", std::move(old));
    const auto written = WriteVhdx(device, disk, options);
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    EXPECT_EQ(ReadVhdx(device).value(), disk.Sha256()) << options;
  }
}

// What qemu does not make, in shapes that others read; of those libvhdi and 7-Zip, and qemu where it takes the sectors.
TEST(VhdxShapes, AreReadByOthers) {
  for (const std::string options : {"logical_sector_size=4096,block_size=1M",
                                    "logical_sector_size=4096,subformat=fixed,block_size=2M", "block_size=256M"}) {
    SCOPED_TRACE(options);
    const TempDir folder;
    const std::string path = folder.File("disk.vhdx");
    const GuestDisk disk = RandomGuest(61, 6 * kMiB, 4096);
    const auto written = WriteVhdx(NewFile(path), disk, options);
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    EXPECT_EQ(DigestOf(path), disk.Sha256());
    EXPECT_EQ(Sha256ByLibvhdi({path}), disk.Sha256());
    EXPECT_EQ(DigestBySevenZip(path), disk.Sha256());
    if (options.find("4096") != std::string::npos) continue;
    MustRun({"qemu-img", "convert", "-f", "vhdx", "-O", "raw", path, folder.File("raw")});
    EXPECT_EQ(Sha256OfFile(folder.File("raw")), disk.Sha256());
  }
}

struct ChildCase {
  const char* name;
  const char* options;
  std::uint64_t parent_size;
  std::uint64_t size;
};
void PrintTo(const ChildCase& child, std::ostream* out) { *out << child.name; }

constexpr ChildCase kChildren[] = {
    {"SmallBlocks", "block_size=1M", 5 * kMiB, 5 * kMiB},
    {"LargeBlocks", "block_size=4M", 9 * kMiB, 9 * kMiB},
    {"LongerThanTheParent", "block_size=1M", 3 * kMiB, 5 * kMiB + 512 * 5},
};

class Differencing : public testing::TestWithParam<ChildCase> {
 protected:
  std::string Path(const char* name) const { return folder_.File(name); }
  TempDir folder_;
};

TEST_P(Differencing, ShowsItsParentWhereItHoldsNothing) {
  const GuestDisk parent = RandomGuest(31, GetParam().parent_size, 65536);
  const GuestDisk child = RandomGuest(32, GetParam().size, 4096);
  ASSERT_TRUE(WriteVhdx(NewFile(Path("parent.vhdx")), parent, "block_size=2M").ok());
  const std::string options = std::string("backing_file=parent.vhdx,backing_fmt=vhdx,") + GetParam().options;
  const auto written = WriteVhdx(NewFile(Path("child.vhdx")), child, options, IdOf(Path("parent.vhdx")));
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  const std::string expected = Sha256OfBytes(Overlaid(parent, child));
  EXPECT_EQ(DigestOf(Path("child.vhdx")), expected);
  if (parent.size == child.size) {
    EXPECT_EQ(DigestBySevenZip(Path("child.vhdx")), expected);
  }
  const auto report = CheckVhdx(FileStorage::Open(Path("child.vhdx"), {.lock = false}).value(), Repair::kNothing);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report.value().corruptions, 0U);
}

TEST_P(Differencing, IsUpdatedInPlace) {
  const GuestDisk parent = RandomGuest(41, GetParam().parent_size, 65536);
  const GuestDisk child = RandomGuest(42, GetParam().size, 4096);
  const GuestDisk change = RandomGuest(43, GetParam().size, 4096);
  ASSERT_TRUE(WriteVhdx(NewFile(Path("parent.vhdx")), parent, "block_size=2M").ok());
  const std::string options = std::string("backing_file=parent.vhdx,") + GetParam().options;
  ASSERT_TRUE(WriteVhdx(NewFile(Path("child.vhdx")), child, options, IdOf(Path("parent.vhdx"))).ok());
  DenyGate gate;
  UpdateRequest request;
  request.storage = FileStorage::Open(Path("child.vhdx"), {.access = FileMode::Access::kReadWrite}).value();
  request.context.gate = &gate;
  const auto writer = Vhdx().update(request);
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  const auto updated = WriteThrough(*writer.value(), change, kMiB / 2);
  ASSERT_TRUE(updated.ok()) << updated.error().Describe();
  const std::vector<std::byte> before = Overlaid(parent, child);
  const GuestDisk below{.size = child.size, .ranges = {}};
  std::vector<std::byte> expected = Overlaid(below, change);
  // Where the change says nothing, the old content shows.
  for (std::uint64_t at = 0; at < change.size; at += 4096) {
    const std::uint64_t end = std::min(change.size, at + 4096);
    bool said = false;
    for (const GuestRange& range : change.ranges) {
      const bool touches = range.end() > at && range.offset < end;
      said = said || (touches && range.kind != GuestRange::Kind::kHole);
    }
    if (!said)
      std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(at), end - at,
                  expected.begin() + static_cast<std::ptrdiff_t>(at));
  }
  EXPECT_EQ(DigestOf(Path("child.vhdx")), Sha256OfBytes(expected));
  if (parent.size == child.size) {
    EXPECT_EQ(DigestBySevenZip(Path("child.vhdx")), Sha256OfBytes(expected));
  }
  const auto report = CheckVhdx(request.storage, Repair::kNothing);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report.value().corruptions, 0U);
}

INSTANTIATE_TEST_SUITE_P(All, Differencing, testing::ValuesIn(kChildren),
                         [](const auto& row) { return row.param.name; });

TEST(DifferencingChain, KnowsItsParent) {
  const TempDir folder;
  const GuestDisk disk = RandomGuest(1, 2 * kMiB);
  ASSERT_TRUE(WriteVhdx(NewFile(folder.File("parent.vhdx")), disk, "").ok());
  ASSERT_TRUE(WriteVhdx(NewFile(folder.File("child.vhdx")), GuestDisk{.size = disk.size, .ranges = {}},
                        "backing_file=parent.vhdx", IdOf(folder.File("parent.vhdx")))
                  .ok());
  EXPECT_EQ(DigestOf(folder.File("child.vhdx")), disk.Sha256());
  // Another disk under the parent's name.
  std::filesystem::remove(folder.File("parent.vhdx"));
  ASSERT_TRUE(WriteVhdx(NewFile(folder.File("parent.vhdx")), disk, "").ok());
  const auto opened = OpenChainAt(folder.File("child.vhdx"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind(), ErrorKind::kCorrupt);
}

// After any interruption the image is sound.
// Without a parent there is no bitmap to say which part of a block is there.
TEST(Updated, IsRefusedWhereABlockIsThereInPart) {
  const auto storage = std::make_shared<MemoryStorage>("disk.vhdx");
  ASSERT_TRUE(WriteVhdx(storage, RandomGuest(1, kMiB), kPinned).ok());
  std::vector<std::byte> entry(vhdx::kBatEntrySize);
  StoreLe(entry.data(), std::uint64_t{kPayloadAt} | static_cast<std::uint64_t>(vhdx::BlockState::kPartiallyPresent));
  ASSERT_TRUE(storage->WriteAt(kBatAt, entry).ok());
  DenyGate gate;
  UpdateRequest request;
  request.storage = storage;
  request.context.gate = &gate;
  const auto writer = Vhdx().update(request);
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  const auto updated = WriteThrough(*writer.value(), RandomGuest(2, kMiB));
  ASSERT_FALSE(updated.ok());
  EXPECT_EQ(updated.error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(updated.error().field(), "entry 0");
}

TEST(Updated, IsSoundAfterACrash) {
  const GuestDisk disk = RandomGuest(51, 4 * kMiB, 65536);
  const GuestDisk change = RandomGuest(52, 4 * kMiB, 65536);
  const VhdxBytes image = VhdxBytes::Of(disk);
  DenyGate gate;
  for (std::uint64_t crash = 0;; ++crash) {
    const auto base = image.Storage();
    UpdateRequest request;
    request.storage = std::make_shared<FaultyStorage>(base, FaultPlan{.crash_before_write = crash});
    request.context.gate = &gate;
    const auto writer = Vhdx().update(request);
    const bool done = writer.ok() && WriteThrough(*writer.value(), change, kMiB / 4).ok();
    const auto report = CheckVhdx(base, Repair::kNothing);
    ASSERT_TRUE(report.ok()) << "crash before write " << crash << ": " << report.error().Describe();
    EXPECT_LE(report.value().corruptions, done ? 0U : 1U);  // one header may be torn away
    EXPECT_TRUE(ReadVhdx(base).ok()) << "crash before write " << crash;
    if (done) break;
  }
}

}  // namespace
}  // namespace platter::test
