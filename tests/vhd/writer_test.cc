// New images: what other tools read in them, sizes as qemu-img makes them, and what makes them repeatable.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/libvhdi.h"
#include "tests/support/temp_dir.h"
#include "tests/vhd/opening.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = 9 * kMiB + 512 * 3;

Result<CreateRequest> Request(std::shared_ptr<Storage> storage, std::uint64_t size, const std::string& options) {
  CreateRequest request;
  request.storage = std::move(storage);
  request.virtual_size = size;
  request.options = PLATTER_TRY(OptionValues::Parse(options, FindFormat("vhd")->create_options));
  return request;
}

Result<> Write(std::shared_ptr<Storage> storage, const GuestDisk& disk, const std::string& options,
               const std::string& parent_id = "", std::uint64_t batch = 4 * kMiB) {
  CreateRequest request = PLATTER_TRY(Request(std::move(storage), disk.size, options));
  request.backing_id = parent_id;
  return WriteThroughDriver(*FindFormat("vhd"), request, disk, batch);
}

void WriteFile(const std::string& path, const GuestDisk& disk, const std::string& options,
               const std::string& parent_id = "") {
  const auto file = FileStorage::Open(path, {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe});
  ASSERT_TRUE(file.ok()) << file.error().Describe();
  const auto written = Write(file.value(), disk, options, parent_id);
  ASSERT_TRUE(written.ok()) << written.error().Describe();
}

Bytes InBytes(const GuestDisk& disk, const std::string& options, std::uint64_t batch) {
  const auto storage = InMemory({});
  const auto written = Write(storage, disk, options, "", batch);
  EXPECT_TRUE(written.ok()) << written.error().Describe();
  Bytes bytes(storage->size());
  EXPECT_TRUE(storage->ReadAt(0, bytes).ok());
  return bytes;
}

std::string Refusal(std::uint64_t size, const std::string& options, const std::string& parent_id = "") {
  auto request = Request(InMemory({}), size, options);
  if (!request.ok()) return request.error().Describe();
  request.value().backing_id = parent_id;
  const auto writer = FindFormat("vhd")->create(request.value());
  return writer.ok() ? "made" : writer.error().Describe();
}

class NewImage : public testing::TestWithParam<const char*> {};

TEST_P(NewImage, IsReadByEveryOne) {
  const TempDir folder;
  const std::string path = folder.File("image.vhd");
  const GuestDisk disk = RandomGuest(7, kDiskSize, 512);
  WriteFile(path, disk, GetParam());
  Sha256 wanted;
  wanted.Add(disk.Content());
  const auto chain = TryOpenChain(path);
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  const std::uint64_t size = chain.value().chain().virtual_size();
  wanted.AddZeros(size - disk.size);
  const std::string digest = wanted.Hex();
  EXPECT_EQ(Sha256OfGuest(chain.value().chain()), digest);
  EXPECT_EQ(Sha256ByLibvhdi({path}), digest);
  MustRun({"qemu-img", "convert", "-f", "vpc", "-O", "raw", path, folder.File("qemu.raw")});
  EXPECT_EQ(Sha256OfFile(folder.File("qemu.raw")), digest);
  // 7-Zip calls a VHD's content by the archive's name.
  MustRun({"7zz", "x", "-tVHD", "-o" + folder.File("out"), path});
  std::vector<std::string> digests;
  for (const auto& entry : std::filesystem::directory_iterator(folder.File("out"))) {
    digests.push_back(Sha256OfFile(entry.path().string()));
  }
  EXPECT_THAT(digests, testing::ElementsAre(digest));
}

INSTANTIATE_TEST_SUITE_P(Every, NewImage,
                         testing::Values("", "force_size=on", "subformat=fixed", "subformat=fixed,force_size=on",
                                         "azure=on"));

TEST(NewImages, AreAsLargeAsQemus) {
  const TempDir folder;
  for (const char* options : {"subformat=dynamic", "subformat=dynamic,force_size=on", "subformat=fixed"}) {
    for (const std::uint64_t sectors : {0, 1, 69, 20480, 278527, 507905, 66058273, 66059281, 267382801}) {
      if (sectors > 1'000'000 && std::string(options) == "subformat=fixed") continue;
      const std::string path = folder.File("qemu.vhd");
      MustRun({"qemu-img", "create", "-q", "-f", "vpc", "-o", options, path, std::to_string(sectors * 512)});
      const auto qemus = TryOpenChain(path);
      ASSERT_TRUE(qemus.ok()) << qemus.error().Describe();
      const auto storage = InMemory({});
      auto request = Request(storage, sectors * 512, options);
      ASSERT_TRUE(request.ok()) << request.error().Describe();
      const auto writer = FindFormat("vhd")->create(request.value());
      ASSERT_TRUE(writer.ok() && writer.value()->Finish().ok());
      EXPECT_EQ(SizeOf(TryOpen(storage)), qemus.value().chain().virtual_size()) << options << " " << sectors;
      EXPECT_LE(storage->size(), std::filesystem::file_size(path));
    }
  }
}

TEST(NewImages, AreWholeMebibytesForAzure) {
  const auto storage = InMemory({});
  ASSERT_TRUE(Write(storage, GuestDisk{.size = 5 * kMiB + 512, .ranges = {}}, "azure").ok());
  EXPECT_EQ(storage->size(), 6 * kMiB + 512);
  EXPECT_EQ(SizeOf(TryOpen(storage)), 6 * kMiB);
  EXPECT_EQ(SizeOf(TryOpen(storage, "force_size_calc=chs")), 6 * kMiB);
}

TEST(NewImages, AreTheSameForTheSameIdAndTime) {
  const GuestDisk disk = RandomGuest(3, kDiskSize, 512);
  setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  const std::string pinned = "uuid=00112233-4455-4677-8899-aabbccddeeff";
  const Bytes first = InBytes(disk, pinned, 2 * kMiB);
  EXPECT_EQ(InBytes(disk, pinned, 8 * kMiB), first);
  EXPECT_EQ(InBytes(disk, "", 2 * kMiB), InBytes(disk, "", 4 * kMiB));
  unsetenv("SOURCE_DATE_EPOCH");
  const auto image = TryOpen(InMemory(first));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value()->info().id, "00112233-4455-4677-8899-aabbccddeeff");
  EXPECT_NE(InBytes(disk, "", 2 * kMiB), InBytes(disk, "", 2 * kMiB));
}

TEST(NewImages, AreRefusedWhenTheyCannotBe) {
  constexpr std::uint64_t kLargest = std::uint64_t{2040} << 30;
  EXPECT_EQ(Refusal(kLargest, ""), "made");
  EXPECT_THAT(Refusal(kLargest + 512, ""), testing::HasSubstr("Disk size is too large, max size is 2040 GiB"));
  EXPECT_THAT(Refusal(~std::uint64_t{0}, "azure"), testing::HasSubstr("too large"));
  EXPECT_THAT(Refusal(kMiB, "subformat=foo"), testing::HasSubstr("'subformat' does not accept value 'foo'"));
  EXPECT_THAT(Refusal(kMiB, "subformat=dynamic,azure"), testing::HasSubstr("only fixed disks"));
  EXPECT_THAT(Refusal(kMiB, "subformat=differencing"), testing::HasSubstr("needs a backing file"));
  EXPECT_THAT(Refusal(kMiB, "subformat=fixed,backing_file=a.vhd"), testing::HasSubstr("only a differencing disk"));
  EXPECT_THAT(Refusal(kMiB, "backing_file=a.vhd"), testing::HasSubstr("unique id is not known"));
  EXPECT_THAT(Refusal(kMiB, "backing_file=a.raw,backing_fmt=raw"), testing::HasSubstr("is a VHD"));
  for (const char* id : {"1", "00000000-0000-0000-0000-000000000000", "00112233-4455-4677-8899-aabbccddeefg"}) {
    EXPECT_THAT(Refusal(kMiB, std::string("uuid=") + id), testing::HasSubstr("not a UUID"));
  }
}

// A child that overwrites parts of its parent, with data and with zeros, in pieces of whole sectors. libvhdi takes the
// clear bits after a set one for set, up to the end of their byte of the sector bitmap: it reads the child whose pieces
// are of eight sectors. (Other readers look at each bit, the most significant first; reader_test.cc has such a bitmap.)
struct Child {
  std::string parent;
  std::uint64_t piece = 0;
};

class Differencing : public testing::TestWithParam<Child> {};

TEST_P(Differencing, ReadsAsParentAndChild) {
  const TempDir folder;
  std::filesystem::create_directory(folder.path() / "sub dir");
  const std::string base = (folder.path() / GetParam().parent).string();
  const GuestDisk parent = RandomGuest(11, kDiskSize, 512);
  const GuestDisk child = RandomGuest(12, kDiskSize, GetParam().piece);
  WriteFile(base, parent, "force_size=on");
  const auto below = TryOpenChain(base);
  ASSERT_TRUE(below.ok()) << below.error().Describe();
  const std::string path = folder.File("child.vhd");
  WriteFile(path, child, "backing_fmt=vpc,backing_file=" + GetParam().parent, below.value().layers[0].image->info().id);

  Bytes content = parent.Content();
  for (const GuestRange& range : child.ranges) {
    if (range.kind == GuestRange::Kind::kHole) continue;
    child.Fill(range.offset, std::span(content).subspan(range.offset, range.length));
  }
  const auto chain = TryOpenChain(path);
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  EXPECT_EQ(chain.value().layers.size(), 2u);
  EXPECT_EQ(Sha256OfGuest(chain.value().chain()), Sha256OfBytes(content));
  if (GetParam().piece % (8 * 512) == 0) {
    EXPECT_EQ(Sha256ByLibvhdi({path, base}), Sha256OfBytes(content));
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Differencing,
                         testing::Values(Child{"base.vhd", 512}, Child{"base.vhd", 4096},
                                         Child{"sub dir/b\xC3\xA4se.vhd", 4096}));

}  // namespace
}  // namespace platter::test
