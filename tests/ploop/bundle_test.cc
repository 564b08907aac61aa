// Bundles: fixtures as Parallels and libploop lay them out, and bundles of our own making.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "formats/open.h"
#include "tests/ploop/images.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kCluster = Fixture::kCluster;
const std::string kNull = "{00000000-0000-0000-0000-000000000000}";
const std::string kBase = "{11111111-1111-1111-1111-111111111111}";
const std::string kMiddle = "{22222222-2222-2222-2222-222222222222}";
const std::string kTop = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";

std::string ImageXml(const std::string& guid, const std::string& file, const std::string& type = "Compressed") {
  return fmt::format("<Image><GUID>{}</GUID><Type>{}</Type><File>{}</File></Image>", guid, type, file);
}

std::string StorageXml(std::uint64_t start, std::uint64_t end, const std::string& images) {
  return fmt::format("<Storage><Start>{}</Start><End>{}</End><Blocksize>8</Blocksize>{}</Storage>", start, end, images);
}

std::string ShotXml(const std::string& guid, const std::string& parent) {
  return fmt::format("<Shot><GUID>{}</GUID><ParentGUID>{}</ParentGUID></Shot>", guid, parent);
}

std::string DescriptorXml(std::uint64_t sectors, const std::string& storages, const std::string& snapshots,
                          const std::string& parameters = "") {
  return fmt::format(
      "<?xml version='1.0' encoding='UTF-8'?>\n<Parallels_disk_image Version=\"1.0\"><Disk_Parameters>"
      "<Disk_size>{}</Disk_size><Padding>0</Padding>{}</Disk_Parameters><StorageData>{}</StorageData>"
      "<Snapshots>{}</Snapshots></Parallels_disk_image>\n",
      sectors, parameters, storages, snapshots);
}

class Bundle : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) { std::ofstream(folder_.File(name)) << text; }
  void Write(const std::string& name, const Fixture& fixture) {
    const auto bytes = fixture.Bytes();
    std::ofstream(folder_.File(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::string Descriptor() const { return folder_.File("DiskDescriptor.xml"); }
  Result<OpenedChain> Open() const { return TryOpenChain(Descriptor(), "", "ploop"); }

  // Three clusters: the base has all, the middle has the second, the top the third.
  void WriteThreeDeltas() {
    Write("base.hds", Fixture{.entries = {1, 2, 3}, .stored = 3});
    Write("middle.hds", Fixture{.entries = {0, 1, 0}, .stored = 1, .fill = 16});
    Write("top.hds", Fixture{.entries = {0, 0, 1}, .stored = 1, .fill = 32});
    Write("DiskDescriptor.xml",
          DescriptorXml(
              24,
              StorageXml(0, 24,
                         ImageXml(kTop, "top.hds") + ImageXml(kBase, "base.hds") + ImageXml(kMiddle, "middle.hds")),
              ShotXml(kBase, kNull) + ShotXml(kTop, kMiddle) + ShotXml(kMiddle, kBase)));
  }

  // The first byte of each cluster.
  static std::vector<int> Heads(Image& image) {
    std::vector<int> heads;
    std::vector<std::byte> byte(1);
    for (std::uint64_t at = 0; at < image.info().virtual_size; at += kCluster) {
      const auto read = image.ReadAt(at, byte);
      heads.push_back(read.ok() ? std::to_integer<int>(byte[0]) : -1);
    }
    return heads;
  }

  TempDir folder_;
};

TEST_F(Bundle, IsRecognisedByItsDescriptor) {
  WriteThreeDeltas();
  auto file = FileStorage::Open(Descriptor(), FileMode{});
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(ProbeFormat(*file.value()).value()->name, "ploop");
  EXPECT_EQ(ProbeFormat(*file.value(), Dialect::kQemu).value()->name, "raw");
}

TEST_F(Bundle, IsReadThroughItsDeltas) {
  WriteThreeDeltas();
  const auto chain = Open();
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  Image& image = *chain.value().layers.front().image;
  EXPECT_EQ(Heads(image), (std::vector<int>{1, 17, 33}));
  EXPECT_EQ(image.files().size(), 4u);
}

TEST_F(Bundle, OpensAtAnySnapshot) {
  WriteThreeDeltas();
  const auto chain = Open();
  ASSERT_TRUE(chain.ok());
  Snapshots* snapshots = chain.value().layers.front().image->snapshots();
  ASSERT_NE(snapshots, nullptr);
  ASSERT_EQ(snapshots->snapshots().size(), 2u);
  EXPECT_EQ(snapshots->snapshots()[0].name, kBase);
  EXPECT_EQ(Heads(*snapshots->OpenSnapshot(0).value()), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(snapshots->snapshots()[1].name, kMiddle);
  EXPECT_EQ(Heads(*snapshots->OpenSnapshot(1).value()), (std::vector<int>{1, 17, 3}));
  EXPECT_FALSE(snapshots->OpenSnapshot(2).ok());
}

TEST_F(Bundle, OfSeveralPartsIsJoined) {
  Write("first.hds", Fixture{.entries = {1, 0}, .stored = 1});
  Write("second.hds", std::string(kCluster, 'p'));
  Write("DiskDescriptor.xml", DescriptorXml(24,
                                            StorageXml(0, 16, ImageXml(kTop, "first.hds")) +
                                                StorageXml(16, 24, ImageXml(kTop, "second.hds", "Plain")),
                                            ShotXml(kTop, kNull)));
  const auto chain = Open();
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  EXPECT_EQ(Heads(*chain.value().layers.front().image), (std::vector<int>{1, 0, 'p'}));
}

TEST_F(Bundle, IsDescribedWithoutItsImages) {
  WriteThreeDeltas();
  std::filesystem::remove(folder_.File("top.hds"));
  EXPECT_FALSE(Open().ok());
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.contents = false;
  const auto image = Ploop().open(FileStorage::Open(Descriptor(), FileMode{}).value(), context);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value()->info().virtual_size, 3 * kCluster);
  EXPECT_EQ(image.value()->Map(0, 1).error().kind(), ErrorKind::kUnsupported);
}

TEST_F(Bundle, MayLackFilesThatOnlySnapshotsNeed) {
  WriteThreeDeltas();
  const std::string other = "{33333333-3333-3333-3333-333333333333}";
  Write("DiskDescriptor.xml",
        DescriptorXml(24, StorageXml(0, 24, ImageXml(kTop, "base.hds") + ImageXml(other, "gone.hds")),
                      ShotXml(kTop, kNull) + ShotXml(other, kTop)));
  const auto chain = Open();
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  EXPECT_FALSE(chain.value().layers.front().image->snapshots()->OpenSnapshot(0).ok());
}

struct DescriptorCase {
  const char* name;
  std::string xml;
  ErrorKind kind;
  const char* field;
};
void PrintTo(const DescriptorCase& tested, std::ostream* out) { *out << tested.name; }

const std::string kOne = StorageXml(0, 24, ImageXml(kTop, "base.hds"));
const std::string kShot = ShotXml(kTop, kNull);
constexpr auto kCorrupt = ErrorKind::kCorrupt;

const DescriptorCase kDescriptors[] = {
    {"NoXml", "<Parallels_disk_image", kCorrupt, "whole file"},
    {"CutShort", DescriptorXml(24, kOne, kShot).substr(0, 200), kCorrupt, "whole file"},
    {"SizeMissing", "<Parallels_disk_image></Parallels_disk_image>", kCorrupt, "Disk_size"},
    {"SizeNegative", DescriptorXml(~std::uint64_t{0}, kOne, kShot), kCorrupt, "Disk_size"},
    {"SizeLarger", DescriptorXml(32, kOne, kShot), kCorrupt, "End"},
    {"Padding",
     DescriptorXml(24, kOne, kShot).replace(DescriptorXml(24, kOne, kShot).find("<Padding>0"), 10, "<Padding>1"),
     ErrorKind::kUnsupported, "Padding"},
    {"Encrypted", DescriptorXml(24, kOne, kShot, "<Encryption><Engine>" + kBase + "</Engine></Encryption>"),
     ErrorKind::kUnsupported, "Engine"},
    {"Gap", DescriptorXml(24, StorageXml(8, 24, ""), kShot), kCorrupt, "Start"},
    {"EndBeforeStart", DescriptorXml(24, StorageXml(0, 24, "") + StorageXml(24, 8, ""), kShot), kCorrupt, "Start"},
    {"Guid", DescriptorXml(24, StorageXml(0, 24, ImageXml("top", "base.hds")), kShot), kCorrupt, "GUID"},
    {"Type", DescriptorXml(24, StorageXml(0, 24, ImageXml(kTop, "base.hds", "Zip")), kShot), kCorrupt, "Type"},
    {"NoFile", DescriptorXml(24, StorageXml(0, 24, ImageXml(kTop, "")), kShot), kCorrupt, "File"},
    {"ImageTwice", DescriptorXml(24, StorageXml(0, 24, ImageXml(kTop, "a") + ImageXml(kTop, "b")), kShot), kCorrupt,
     "GUID"},
    {"ShotTwice", DescriptorXml(24, kOne, kShot + kShot), kCorrupt, "GUID"},
    {"Loop", DescriptorXml(24, kOne, ShotXml(kTop, kMiddle) + ShotXml(kMiddle, kTop)), kCorrupt, "ParentGUID"},
    {"OwnParent", DescriptorXml(24, kOne, ShotXml(kTop, kTop)), kCorrupt, "ParentGUID"},
    {"MissingParent", DescriptorXml(24, kOne, ShotXml(kTop, kBase)), kCorrupt, "ParentGUID"},
    {"MissingImage", DescriptorXml(24, StorageXml(0, 24, ImageXml(kBase, "base.hds")), kShot), kCorrupt, "Image"},
    {"LargerImage", DescriptorXml(16, StorageXml(0, 16, ImageXml(kTop, "base.hds")), kShot), kCorrupt, "sectors"},
};

class WrongDescriptor : public Bundle, public testing::WithParamInterface<DescriptorCase> {};

TEST_P(WrongDescriptor, IsRefusedByName) {
  WriteThreeDeltas();
  Write("DiskDescriptor.xml", GetParam().xml);
  const auto chain = Open();
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().kind(), GetParam().kind) << chain.error().Describe();
  EXPECT_EQ(chain.error().field(), GetParam().field) << chain.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, WrongDescriptor, testing::ValuesIn(kDescriptors),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(Bundle, OpensNoFileWhereTheGateDenies) {
  WriteThreeDeltas();
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto image = Ploop().open(FileStorage::Open(Descriptor(), FileMode{}).value(), context);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().kind(), ErrorKind::kDenied);
}

TEST_F(Bundle, ThatWeMakeHoldsTheDisk) {
  const GuestDisk disk = RandomGuest(61, (std::uint64_t{2} << 20) + 512);
  const auto make = [](const std::string& path) -> Result<std::shared_ptr<Storage>> {
    return std::shared_ptr<Storage>(PLATTER_TRY(
        FileStorage::Open(path, {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe, .lock = false})));
  };
  CreateRequest request;
  request.options = OptionValues::Parse("bundle=on,cluster_size=64k", Ploop().create_options).value();
  request.virtual_size = disk.size;
  request.storage = make(Descriptor()).value();
  request.open_side_file = [&](const Reference& wanted) { return make(folder_.File(wanted.text)); };
  const auto written = WriteThroughDriver(Ploop(), request, disk);
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  const auto chain = Open();
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  EXPECT_EQ(Sha256OfGuest(chain.value().chain()), disk.Sha256());
  MustRun({"qemu-img", "convert", "-f", "parallels", "-O", "raw", folder_.File("root.hds"), folder_.File("raw")});
  EXPECT_EQ(Sha256OfFile(folder_.File("raw")), disk.Sha256());
}

TEST_F(Bundle, IsCheckedFileByFile) {
  WriteThreeDeltas();
  std::filesystem::resize_file(folder_.File("middle.hds"), 3 * kCluster);
  LocalGate gate(FileMode{.lock = false});
  std::vector<std::string> lines;
  CheckRequest request;
  request.storage = FileStorage::Open(Descriptor(), FileMode{}).value();
  request.context.gate = &gate;
  request.log = [&](const std::string& line) { lines.push_back(line); };
  const auto report = Ploop().check(request);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(report.value().leaks, 1u);
  EXPECT_EQ(lines, std::vector<std::string>{"middle.hds: ERROR space leaked at the end of the image 4096"});
}

}  // namespace
}  // namespace platter::test
