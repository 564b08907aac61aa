// What qemu made, read by us: content and map equal qemu-img's own. And damaged headers and tables.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/file_storage.h"
#include "formats/qcow/layout.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/libqcow.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = std::uint64_t{3} << 20;

class Qcow : public testing::Test {
 protected:
  std::string Run(const std::string& script) {
    CommandOptions here;
    here.folder = folder_.path().string();
    return MustRun({"sh", "-ec", script}, here);
  }

  TempDir folder_;
};

struct ImageCase {
  const char* name;
  std::string script;  // makes disk.qcow; guest.raw holds a random disk
  bool fill = false;   // then the random disk is written into it
};

void PrintTo(const ImageCase& image, std::ostream* out) { *out << image.name; }

const std::string kCreate = "qemu-img create -q -f qcow disk.qcow " + std::to_string(kDiskSize);
// qemu-img 7.2 writes a whole and sound image, and then fails.
std::string Compress(const std::string& name) { return "qemu-img convert -c -O qcow guest.raw " + name + " || true; "; }

const ImageCase kImages[] = {
    {"Empty", kCreate},
    {"OddSize", "truncate -s 3149312 guest.raw && qemu-img convert -O qcow guest.raw disk.qcow"},
    {"Plain", kCreate, true},
    {"Compressed", Compress("disk.qcow")},
    {"CompressedThenWritten", Compress("disk.qcow") + "qemu-io -c 'write -P 4 300k 70k' disk.qcow"},
    {"Backing", "qemu-img create -q -f qcow -b guest.raw -F raw disk.qcow", true},
    {"BackingQcow", Compress("base.qcow") + "qemu-img create -q -f qcow -b base.qcow -F qcow disk.qcow && "
                                            "qemu-io -c 'write -P 4 300k 70k' disk.qcow"},
};

class ReadsQemusQcow : public Qcow, public testing::WithParamInterface<ImageCase> {};

TEST_P(ReadsQemusQcow, WithItsContentAndMap) {
  const GuestDisk disk = RandomGuest(11, kDiskSize);
  WriteRawFile(disk, folder_.File("guest.raw"));
  Run(GetParam().script);
  const std::string path = folder_.File("disk.qcow");
  if (GetParam().fill) WriteWithQemuIo(disk, path, "qcow", 5);
  const OpenedChain opened = OpenImageChain(path, "qcow");
  ASSERT_FALSE(opened.layers.empty());
  const Chain chain = opened.chain();
  Run("qemu-img convert -O raw disk.qcow out.raw");
  EXPECT_EQ(Sha256OfGuest(chain), Sha256OfFile(folder_.File("out.raw")));
  EXPECT_EQ(MapText(chain), Run("qemu-img map --output=json disk.qcow"));
}

INSTANTIATE_TEST_SUITE_P(All, ReadsQemusQcow, testing::ValuesIn(kImages),
                         [](const auto& param) { return param.param.name; });

// Without a backing file: the layout that libqcow reads rightly (see formats/qcow/README.md).
TEST_F(Qcow, LibqcowReadsTheSame) {
  for (const std::string& script :
       {std::string("qemu-img convert -O qcow guest.raw disk.qcow"), Compress("disk.qcow")}) {
    WriteRawFile(RandomGuest(12, kDiskSize), folder_.File("guest.raw"));
    Run(script);
    const OpenedChain opened = OpenImageChain(folder_.File("disk.qcow"), "qcow");
    ASSERT_FALSE(opened.layers.empty());
    EXPECT_EQ(Sha256OfGuest(opened.chain()), Sha256ByLibqcow(folder_.File("disk.qcow"))) << script;
  }
}

TEST_F(Qcow, IsRecognised) {
  Run(kCreate);
  auto file = FileStorage::Open(folder_.File("disk.qcow"), FileMode{});
  ASSERT_TRUE(file.ok());
  const auto driver = ProbeFormat(*file.value());
  ASSERT_TRUE(driver.ok());
  EXPECT_EQ(driver.value()->name, "qcow");
}

TEST_F(Qcow, EncryptedIsDescribedAndNotRead) {
  Run("qemu-img create -q -f qcow --object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s disk.qcow 1M");
  const OpenedChain opened = OpenImageChain(folder_.File("disk.qcow"), "qcow");
  ASSERT_FALSE(opened.layers.empty());
  Image& image = *opened.layers.front().image;
  EXPECT_TRUE(image.info().encrypted);
  std::vector<std::byte> bytes(512);
  const auto read = image.ReadAt(0, bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind(), ErrorKind::kUnsupported);
}

void StoreFile(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Opens, maps and reads everything; the error that came first, or none.
Result<> ReadWhole(const std::string& path) {
  const OpenedChain opened = PLATTER_TRY(TryOpenChain(path, "", "qcow"));
  const Chain chain = opened.chain();
  std::vector<std::byte> buffer(65536);
  for (std::uint64_t at = 0; at < chain.virtual_size(); at += buffer.size()) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), chain.virtual_size() - at));
    PLATTER_CHECK(chain.ReadAt(at, part));
  }
  return Done{};
}

struct DamageCase {
  const char* name;
  std::size_t offset;
  std::vector<std::uint8_t> bytes;
  ErrorKind kind;
  const char* field;
};

void PrintTo(const DamageCase& damage, std::ostream* out) { *out << damage.name; }

const DamageCase kDamages[] = {
    {"Magic", 0, {'X'}, ErrorKind::kNotThisFormat, ""},
    {"Version", 7, {2}, ErrorKind::kNotThisFormat, ""},
    {"BackingOffset", 8, {0, 0, 0, 0, 0xFF, 0, 0, 0}, ErrorKind::kCorrupt, "backing_file_offset"},
    {"SizeZero", 24, {0, 0, 0, 0, 0, 0, 0, 0}, ErrorKind::kCorrupt, "size"},
    {"SizeHuge", 24, {0x7F, 0, 0, 0, 0, 0, 0, 0}, ErrorKind::kCorrupt, "size"},
    {"SizeBeyondTables", 24, {0x00, 0xFF, 0, 0, 0, 0, 0, 0}, ErrorKind::kCorrupt, "l1_table_offset"},
    {"ClusterBitsLow", 32, {8}, ErrorKind::kCorrupt, "cluster_bits"},
    {"ClusterBitsHigh", 32, {17}, ErrorKind::kCorrupt, "cluster_bits"},
    {"L2BitsLow", 33, {5}, ErrorKind::kCorrupt, "l2_bits"},
    {"L2BitsHigh", 33, {14}, ErrorKind::kCorrupt, "l2_bits"},
    {"CryptMethod", 39, {2}, ErrorKind::kCorrupt, "crypt_method"},
    {"L1Offset", 40, {0, 0, 0, 0x10, 0, 0, 0, 0}, ErrorKind::kCorrupt, "l1_table_offset"},
    {"L1Entry", 48, {0, 0, 0, 0x10, 0, 0, 0, 0}, ErrorKind::kCorrupt, "entry 0"},
    {"L2Entry", 4096 + 8, {0, 0, 0, 0x10, 0, 0, 0, 0}, ErrorKind::kCorrupt, "entry 1"},
    {"L2EntryUnaligned", 4096 + 8, {0, 0, 0, 0, 0, 0, 0x20, 0x08}, ErrorKind::kCorrupt, "entry 1"},
};

class DamagedQcow : public Qcow, public testing::WithParamInterface<DamageCase> {};

TEST_P(DamagedQcow, IsRefusedByName) {
  Run("qemu-img create -q -f qcow disk.qcow 1M && qemu-io -c 'write -P 1 0 64k' disk.qcow");
  std::vector<std::byte> bytes = FileBytes(folder_.File("disk.qcow"));
  for (std::size_t i = 0; i < GetParam().bytes.size(); ++i) {
    bytes[GetParam().offset + i] = std::byte{GetParam().bytes[i]};
  }
  StoreFile(folder_.File("damaged.qcow"), bytes);
  const auto outcome = ReadWhole(folder_.File("damaged.qcow"));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind(), GetParam().kind) << outcome.error().Describe();
  EXPECT_EQ(outcome.error().field(), GetParam().field) << outcome.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, DamagedQcow, testing::ValuesIn(kDamages),
                         [](const auto& param) { return param.param.name; });

// A first-level table of 2^33 entries, all but one of them zero, at a multiple of an entry's size and beside one.
TEST_F(Qcow, LargeTableInAHoleIsPassedOver) {
  using Layout = qcow::HeaderLayout;
  constexpr std::uint64_t kUsed = (std::uint64_t{1} << 32) + 5;  // L1 entry
  constexpr std::uint64_t kL2 = 4096;
  constexpr std::uint64_t kData = 8192;
  constexpr std::uint64_t kCoverage = std::uint64_t{1} << 15;  // of an L2 table, guest bytes
  for (const std::uint64_t l1 : {std::uint64_t{65536}, std::uint64_t{65536 + 3}}) {
    const std::string path = folder_.File("large.qcow");
    const auto file = FileStorage::Open(path, {.access = FileMode::Access::kCreate});
    ASSERT_TRUE(file.ok());
    const auto put = [&](std::uint64_t at, auto number) {
      std::byte bytes[sizeof(number)];
      StoreBe(bytes, number);
      ASSERT_TRUE(file.value()->WriteAt(at, bytes).ok());
    };
    put(Layout::kMagic.offset, qcow::kMagic);
    put(Layout::kVersion.offset, qcow::kVersion);
    put(Layout::kVirtualSize.offset, kCoverage << 33);
    put(Layout::kClusterBits.offset, std::uint8_t{9});
    put(Layout::kL2Bits.offset, std::uint8_t{6});
    put(Layout::kL1TableOffset.offset, l1);
    put(l1 + kUsed * 8, kL2);
    put(kL2 + 8, kData);
    put(kData, std::uint32_t{0x01020304});
    ASSERT_TRUE(file.value()->Resize(l1 + (std::uint64_t{8} << 33)).ok());
    const OpenedChain opened = OpenImageChain(path, "qcow");
    ASSERT_FALSE(opened.layers.empty());
    std::vector<std::uint64_t> data;
    for (std::uint64_t at = 0; at < opened.chain().virtual_size();) {
      const auto extent = opened.chain().Map(at, opened.chain().virtual_size() - at);
      ASSERT_TRUE(extent.ok());
      if (extent.value().status == BlockStatus::kData) data.push_back(at);
      at += extent.value().length;
    }
    EXPECT_EQ(data, std::vector{kUsed * kCoverage + 512}) << l1;
  }
}

TEST_F(Qcow, CutShortNeverCrashes) {
  const GuestDisk disk = RandomGuest(3, 64 << 10);
  WriteRawFile(disk, folder_.File("guest.raw"));
  Run(Compress("disk.qcow"));
  const std::vector<std::byte> bytes = FileBytes(folder_.File("disk.qcow"));
  for (std::size_t size = 0; size < bytes.size(); size += size < 256 ? 1 : 997) {
    StoreFile(folder_.File("cut.qcow"), std::span(bytes).first(size));
    (void)ReadWhole(folder_.File("cut.qcow")).ok();
  }
}

}  // namespace
}  // namespace platter::test
