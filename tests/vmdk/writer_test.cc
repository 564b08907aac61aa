// New images of every subformat: read by qemu-img, libvmdk, 7-Zip and us, and laid out as qemu-img lays them out.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>

#include "formats/core/memory_storage.h"
#include "formats/vmdk/header.h"
#include "tests/support/libvmdk.h"
#include "tests/vmdk/new_image.h"

namespace platter::test {
namespace {

constexpr std::array kSubformats = {"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                    "streamOptimized"};
constexpr std::uint64_t kDiskSize = (std::uint64_t{40} << 20) + 512 * 9;  // two grain tables, the last grain cut

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The descriptor, wherever it is, without its CID, of one to eight digits; what follows stays where it is.
std::string WithoutCid(std::string text) {
  const std::size_t begin = text.find("\nCID=");
  if (begin == std::string::npos) return text;
  const std::size_t length = text.find('\n', begin + 1) - begin;
  text.erase(begin, length);
  const std::size_t end = text.find('\0', begin);
  return end == std::string::npos ? text : text.insert(end, length, '\0');
}

GuestDisk Scattered(std::uint64_t size) {
  GuestDisk disk{.size = size, .ranges = {}};
  Random random(size);
  for (std::uint64_t at = 0; at < size;) {
    const bool data = random.Below(4) == 0;
    const std::uint64_t length = std::min(size - at, (1 + random.Below(data ? 500 : 8000)) * 512);
    const auto kind = random.Below(2) == 0 ? GuestRange::Kind::kNoise : GuestRange::Kind::kText;
    disk.ranges.push_back({at, length, data || at + length == size ? kind : GuestRange::Kind::kHole, random.Next()});
    at += length;
  }
  return disk;
}

// As WriteVmdk, for disks too large to be made whole: a batch for each range of data, nothing for the others.
Result<> WriteDataOnly(const std::string& path, const GuestDisk& disk, const std::string& options) {
  const CreateRequest request = PLATTER_TRY(NewVmdkRequest(OpenVmdkFile(path), disk.size, options));
  const auto writer = PLATTER_TRY(FindFormat("vmdk")->create(request));
  for (const GuestRange& range : disk.ranges) {
    if (!range.data()) continue;
    std::vector<std::byte> bytes(range.length);
    disk.Fill(range.offset, bytes);
    Batch batch;
    batch.offset = range.offset;
    batch.length = range.length;
    batch.runs = {{Run::Kind::kData, range.offset, range.length}};
    batch.bytes = bytes;
    PLATTER_CHECK(writer->Place(batch));
    PLATTER_CHECK(writer->Store(batch));
  }
  return writer->Finish();
}

class NewVmdk : public testing::TestWithParam<const char*> {
 protected:
  std::string Path(std::string_view name = "disk.vmdk") const { return folder_.File(name); }
  static std::string Subformat() { return std::string("subformat=") + GetParam(); }
  bool Flat() const { return std::string_view(GetParam()).ends_with("Flat"); }

  const TempDir folder_;
};

TEST_P(NewVmdk, IsReadByAll) {
  const GuestDisk disk = Scattered(kDiskSize);
  const auto written = WriteVmdk(Path(), disk, Subformat());
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  const std::string expected = disk.Sha256();
  EXPECT_EQ(GuestSha256ByUs(Path()), expected);
  EXPECT_EQ(VmdkSha256ByQemu(Path()), expected);
  EXPECT_EQ(Sha256ByLibvmdk(Path()), expected);
  if (Flat()) return;
  const std::string report = MustRun({"qemu-img", "check", "-f", "vmdk", Path()});
  EXPECT_NE(report.find("No errors were found"), std::string::npos) << report;
}

TEST_P(NewVmdk, HasTheSameBytesForAnyBatches) {
  const GuestDisk disk = Scattered(kDiskSize);
  std::vector<std::string> images;
  for (const std::uint64_t batch : {std::uint64_t{64} << 10, std::uint64_t{512} << 10, std::uint64_t{64} << 20}) {
    const auto request = NewVmdkRequest(OpenVmdkFile(Path()), disk.size, Subformat() + ",cid=12345678");
    ASSERT_TRUE(request.ok());
    ASSERT_TRUE(WriteThroughDriver(*FindFormat("vmdk"), request.value(), disk, batch).ok());
    images.push_back(Sha256OfFile(Path()));
  }
  EXPECT_EQ(images[0], images[1]);
  EXPECT_EQ(images[0], images[2]);
}

// Empty disks over 2 GiB: the descriptor is qemu's, word for word, and so is the header of every sparse extent.
TEST_P(NewVmdk, IsLaidOutAsByQemu) {
  constexpr std::uint64_t kSize = (std::uint64_t{5} << 30) + 512;
  for (const std::string more : {"", ",adapter_type=lsilogic,hwversion=10,toolsversion=7",
                                 ",adapter_type=buslogic,compat6", ",adapter_type=legacyESX,zeroed_grain=on"}) {
    if (Flat() && more.find("zeroed") != std::string::npos) continue;
    SCOPED_TRACE(more);
    const TempDir theirs;
    MustRun({"qemu-img", "create", "-q", "-f", "vmdk", "-o", Subformat() + more, theirs.File("disk.vmdk"),
             std::to_string(kSize)});
    const auto written = WriteDataOnly(Path(), {.size = kSize, .ranges = {}}, Subformat() + more);
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    for (const auto& file : std::filesystem::directory_iterator(theirs.path())) {
      SCOPED_TRACE(file.path().filename());
      const std::string name = file.path().filename().string();
      ASSERT_TRUE(std::filesystem::exists(Path(name)));
      if (std::string_view(GetParam()) == "streamOptimized") {
        EXPECT_EQ(WithoutCid(ReadText(Path(name)).substr(512, 10240)),
                  WithoutCid(ReadText(theirs.File(name)).substr(512, 10240)));
      } else if (name.find("-f") == std::string::npos) {
        EXPECT_EQ(WithoutCid(ReadText(Path(name))), WithoutCid(ReadText(theirs.File(name))));
      } else {
        EXPECT_EQ(std::filesystem::file_size(Path(name)), file.file_size());
      }
    }
  }
}

TEST_P(NewVmdk, TakesNoMoreSpaceThanByQemu) {
  const GuestDisk disk = Scattered(kDiskSize);
  WriteRawFile(disk, Path("disk.raw"));
  const TempDir theirs;
  MustRun({"qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", Subformat(), Path("disk.raw"),
           theirs.File("disk.vmdk")});
  std::filesystem::remove(Path("disk.raw"));
  ASSERT_TRUE(WriteVmdk(Path(), disk, Subformat()).ok());
  const auto space = [](const TempDir& folder) {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      bytes += OpenVmdkFile(file.path().string(), FileMode::Access::kRead)->allocated_size();
    }
    return bytes;
  };
  const std::uint64_t limit = space(theirs);
  EXPECT_LE(space(folder_), GetParam() == std::string_view("streamOptimized") ? limit + limit / 10 : limit);
}

INSTANTIATE_TEST_SUITE_P(Every, NewVmdk, testing::ValuesIn(kSubformats));

// Data on both sides of every border of 2 GiB.
TEST(SplitVmdk, CrossesTheBordersOfItsExtents) {
  constexpr std::uint64_t kBorder = std::uint64_t{2} << 30;
  GuestDisk disk{.size = 2 * kBorder + (std::uint64_t{1} << 20), .ranges = {}};
  std::uint64_t at = 0;
  for (const std::uint64_t border : {kBorder, 2 * kBorder}) {
    disk.ranges.push_back({at, border - 65536 - at, GuestRange::Kind::kHole, 0});
    disk.ranges.push_back({border - 65536, 131072, GuestRange::Kind::kNoise, border});
    at = border + 65536;
  }
  disk.ranges.push_back({at, disk.size - at, GuestRange::Kind::kHole, 0});
  for (const std::string kind : {"twoGbMaxExtentSparse", "twoGbMaxExtentFlat"}) {
    const TempDir folder;
    const std::string path = folder.File("disk.vmdk");
    const auto written = WriteDataOnly(path, disk, "subformat=" + kind);
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    for (const GuestRange& range : disk.ranges) {
      if (!range.data()) continue;
      std::vector<std::byte> bytes(range.length);
      disk.Fill(range.offset, bytes);
      MustRun({"qemu-img", "dd", "-f", "vmdk", "-O", "raw", "bs=65536", "if=" + path,
               "skip=" + std::to_string(range.offset / 65536), "count=" + std::to_string((range.end()) / 65536),
               "of=" + folder.File("part")});
      EXPECT_EQ(Sha256OfFile(folder.File("part")), Sha256OfBytes(bytes));
    }
  }
}

// The values that VMware's importers look at (formats/vmdk/README.md).
TEST(StreamOptimized, HasTheHeaderThatImportersWant) {
  const TempDir folder;
  const GuestDisk disk = Scattered(kDiskSize);
  ASSERT_TRUE(WriteVmdk(folder.File("disk.vmdk"), disk, "subformat=streamOptimized").ok());
  const std::string text = ReadText(folder.File("disk.vmdk"));
  const auto bytes = std::as_bytes(std::span(text));
  const auto header = vmdk::ParseSparseHeader(bytes.first(512), bytes.size());
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header.value().version, 3u);
  EXPECT_EQ(header.value().flags, 0x30001u);
  EXPECT_EQ(header.value().capacity, disk.size / 512);
  EXPECT_EQ(header.value().grain_sectors, 128u);
  EXPECT_EQ(header.value().table_entries, 512u);
  EXPECT_EQ(header.value().overhead, 128u);
  EXPECT_EQ(header.value().redundant_directory, 0u);
  EXPECT_EQ(header.value().directory, vmdk::kDirectoryAtEnd);
  EXPECT_EQ(header.value().compression, vmdk::kCompressDeflate);
  EXPECT_FALSE(header.value().unclean);
  EXPECT_EQ(text.substr(73, 4), "\n \r\n");
  const auto footer = vmdk::ParseTrailer(bytes.last(vmdk::kTrailerSize), header.value(), bytes.size());
  ASSERT_TRUE(footer.ok()) << footer.error().Describe();
  EXPECT_NE(footer.value().directory, vmdk::kDirectoryAtEnd);
  EXPECT_EQ(text.size() % 512, 0u);
}

struct Refusal {
  std::string options;
  std::string message;
};

TEST(NewVmdkOptions, AreRefusedInQemusWords) {
  const std::array refusals = {
      Refusal{"adapter_type=foo,subformat=foo", "invalid parameter value: foo"},
      Refusal{"subformat=MONOLITHICFLAT", "invalid parameter value: MONOLITHICFLAT"},
      Refusal{"compat6,hwversion=7", "compat6 cannot be enabled with hwversion set"},
      Refusal{"subformat=monolithicFlat,zeroed_grain", "Flat image can't enable zeroed grain"},
      Refusal{"subformat=twoGbMaxExtentFlat,backing_file=base", "Flat image can't have backing file"},
      Refusal{"backing_file=base,backing_fmt=vmdk", "backing_file must be a vmdk image"},
      Refusal{"cid=ffffffff", "no content identifier"},
      Refusal{"cid=123", "no content identifier"},
      Refusal{"toolsversion=1\n2", "a descriptor cannot hold line ends and quotation marks"},
  };
  for (const Refusal& refusal : refusals) {
    const auto request = NewVmdkRequest(std::make_shared<MemoryStorage>(), 1 << 20, refusal.options);
    ASSERT_TRUE(request.ok());
    const auto writer = FindFormat("vmdk")->create(request.value());
    ASSERT_FALSE(writer.ok()) << refusal.options;
    EXPECT_EQ(writer.error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(writer.error().what(), refusal.message);
  }
}

// Zeros over a backing file's data, with and without entries that say so.
TEST(NewVmdkWithBacking, HidesItWithZeros) {
  for (const std::string options : {"", ",zeroed_grain=on", ",subformat=streamOptimized",
                                    ",subformat=streamOptimized,zeroed_grain=on", ",subformat=twoGbMaxExtentSparse"}) {
    SCOPED_TRACE(options);
    const TempDir folder;
    const GuestDisk below = RandomGuest(1, std::uint64_t{3} << 20);
    ASSERT_TRUE(WriteVmdk(folder.File("base.vmdk"), below, "cid=01234567").ok());
    const GuestDisk zeros{.size = below.size, .ranges = {{0, below.size, GuestRange::Kind::kZero, 0}}};
    const auto written = WriteVmdk(folder.File("top.vmdk"), zeros, "backing_file=base.vmdk" + options, "01234567");
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    EXPECT_EQ(VmdkSha256ByQemu(folder.File("top.vmdk")), zeros.Sha256());
    EXPECT_EQ(GuestSha256ByUs(folder.File("top.vmdk")), zeros.Sha256());
  }
}

}  // namespace
}  // namespace platter::test
