// Images with one wrong field, and images cut short: an error that names the field, or correct data; never a crash.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/layout.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

std::vector<std::byte> MadeBy(const std::string& script) {
  const TempDir folder;
  CommandOptions here;
  here.folder = folder.path().string();
  MustRun({"sh", "-ec", script}, here);
  return FileBytes(folder.File("disk.qcow2"));
}

Result<> ReadGuest(Image& image) {
  std::vector<std::byte> buffer(65536);
  for (std::uint64_t at = 0; at < image.info().virtual_size; at += buffer.size()) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), image.info().virtual_size - at));
    PLATTER_CHECK(image.ReadAt(at, part));
  }
  return Done{};
}

Result<> MapGuest(Image& image) {
  for (std::uint64_t at = 0; at < image.info().virtual_size;) {
    at += PLATTER_TRY(image.Map(at, image.info().virtual_size - at)).length;
  }
  return Done{};
}

// Everything that can be asked of the image; the error that comes first.
Result<> ReadEverything(std::vector<std::byte> bytes) {
  const auto storage = std::make_shared<MemoryStorage>("disk.qcow2", std::move(bytes));
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto image = PLATTER_TRY(FindFormat("qcow2")->open(storage, context));
  PLATTER_CHECK(MapGuest(*image));
  PLATTER_CHECK(ReadGuest(*image));
  if (Snapshots* snapshots = image->snapshots()) {
    for (std::size_t index = 0; index < snapshots->snapshots().size(); ++index) {
      const auto disk = PLATTER_TRY(snapshots->OpenSnapshot(index));
      PLATTER_CHECK(ReadGuest(*disk));
    }
  }
  if (Bitmaps* bitmaps = image->bitmaps()) {
    std::vector<std::byte> bits(4096);
    for (std::size_t index = 0; index < bitmaps->bitmaps().size(); ++index) {
      PLATTER_CHECK(bitmaps->ReadBitmap(index, 0, bits));
    }
  }
  return Done{};
}

// Structures that a case can damage: found in the sound image.
enum class Where { kFile, kL1, kL2, kSnapshots, kSnapshotL1, kBitmapExtension, kBitmapDirectory, kBitmapTable };

std::uint64_t Find(const std::vector<std::byte>& bytes, Where where) {
  using namespace qcow2;
  const auto be64 = [&](std::uint64_t at) { return LoadBe<std::uint64_t>(bytes.data() + at); };
  const auto be32 = [&](std::uint64_t at) { return LoadBe<std::uint32_t>(bytes.data() + at); };
  const std::uint64_t l1 = be64(HeaderV2::kL1TableOffset.offset);
  const std::uint64_t snapshots = be64(HeaderV2::kSnapshotsOffset.offset);
  std::uint64_t extension = be32(HeaderV3::kHeaderLength.offset);
  while (where >= Where::kBitmapExtension && be32(extension) != kExtensionBitmaps) {
    extension += 8 + AlignUp<std::uint64_t>(be32(extension + 4), 8);
  }
  const std::uint64_t directory = be64(extension + 8 + BitmapsExtension::kDirectoryOffset.offset);
  switch (where) {
    case Where::kFile:
      return 0;
    case Where::kL1:
      return l1;
    case Where::kL2:
      return be64(l1) & kOffsetMask;
    case Where::kSnapshots:
      return snapshots;
    case Where::kSnapshotL1:
      return be64(snapshots);
    case Where::kBitmapExtension:
      return extension + 8;
    case Where::kBitmapDirectory:
      return directory;
    case Where::kBitmapTable:
      return be64(directory);
  }
  return 0;
}

struct DamageCase {
  const char* name;
  Where where;
  std::size_t offset;
  std::vector<std::uint8_t> bytes;
  ErrorKind kind;
  const char* field;  // as the error names it
};

std::vector<std::byte> Damaged(std::vector<std::byte> bytes, const DamageCase& damage) {
  const std::uint64_t at = Find(bytes, damage.where) + damage.offset;
  for (std::size_t i = 0; i < damage.bytes.size(); ++i) bytes[at + i] = std::byte{damage.bytes[i]};
  return bytes;
}

void ExpectRefused(const std::vector<std::byte>& sound, const DamageCase& damage) {
  SCOPED_TRACE(damage.name);
  const auto before = ReadEverything(sound);
  ASSERT_TRUE(before.ok()) << before.error().Describe();
  const auto outcome = ReadEverything(Damaged(sound, damage));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind(), damage.kind) << outcome.error().Describe();
  EXPECT_EQ(outcome.error().field(), damage.field) << outcome.error().Describe();
}

using V = std::vector<std::uint8_t>;
constexpr ErrorKind kCorrupt = ErrorKind::kCorrupt;
constexpr ErrorKind kUnsupported = ErrorKind::kUnsupported;
const V kFarAway = {0, 0, 0x10, 0, 0, 0, 0, 0};

const DamageCase kDamages[] = {
    {"Magic", Where::kFile, 0, {'X'}, ErrorKind::kNotThisFormat, ""},
    {"Version1", Where::kFile, 7, {1}, ErrorKind::kNotThisFormat, ""},
    {"Version4", Where::kFile, 7, {4}, kUnsupported, "version"},
    {"BackingNameOutside",
     Where::kFile,
     8,
     {0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0},
     kCorrupt,
     "backing_file_offset"},
    {"BackingNameLong", Where::kFile, 8, {0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 4, 0}, kCorrupt, "backing_file_offset"},
    {"ClusterBits8", Where::kFile, 23, {8}, kCorrupt, "cluster_bits"},
    {"ClusterBits22", Where::kFile, 23, {22}, kCorrupt, "cluster_bits"},
    {"ClusterBitsWild", Where::kFile, 20, {0xFF, 0xFF, 0xFF, 0xFF}, kCorrupt, "cluster_bits"},
    {"SizeWild", Where::kFile, 24, {0xFF}, kCorrupt, "size"},
    {"SizeBeyondL1", Where::kFile, 26, {0xFF}, kCorrupt, "l1_size"},
    {"CryptMethod3", Where::kFile, 35, {3}, kCorrupt, "crypt_method"},
    {"CryptMethodLuksWithoutHeader", Where::kFile, 35, {2}, kCorrupt, "encryption header extension"},
    {"CryptMethodAes", Where::kFile, 35, {1}, kUnsupported, ""},
    {"L1SizeHuge", Where::kFile, 36, {0xFF, 0xFF, 0xFF, 0xFF}, kCorrupt, "l1_size"},
    {"L1SizeZero", Where::kFile, 36, {0, 0, 0, 0}, kCorrupt, "l1_size"},
    {"L1Outside", Where::kFile, 40, kFarAway, kCorrupt, "L1 table offset"},
    {"L1Misaligned", Where::kFile, 46, {2}, kCorrupt, "L1 table offset"},
    {"RefcountTableOutside", Where::kFile, 48, kFarAway, kCorrupt, "refcount table offset"},
    {"RefcountTableMisaligned", Where::kFile, 54, {2}, kCorrupt, "refcount table offset"},
    {"RefcountTableNone", Where::kFile, 56, {0, 0, 0, 0}, kCorrupt, "refcount_table_clusters"},
    {"RefcountTableHuge", Where::kFile, 56, {0xFF, 0, 0, 0}, kCorrupt, "refcount_table_clusters"},
    {"SnapshotsTooMany", Where::kFile, 60, {0, 2, 0, 0}, kCorrupt, "nb_snapshots"},
    {"SnapshotsMoreThanTable", Where::kFile, 60, {0, 0, 0, 9}, kCorrupt, "l1_size of snapshot "},
    {"SnapshotsOutside", Where::kFile, 64, kFarAway, kCorrupt, "snapshot table offset"},
    {"IncompatibleUnknown", Where::kFile, 72, {0x80}, kUnsupported, "incompatible_features"},
    {"IncompatibleDataFile", Where::kFile, 79, {4}, kUnsupported, "external data file name"},
    {"IncompatibleCompression", Where::kFile, 79, {8}, kCorrupt, "compression_type"},
    {"RefcountOrder7", Where::kFile, 99, {7}, kCorrupt, "refcount_order"},
    {"HeaderLengthShort", Where::kFile, 103, {96}, kCorrupt, "header_length"},
    {"HeaderLengthLong", Where::kFile, 100, {0, 2, 0, 0}, kCorrupt, "header_length"},
    {"CompressionTypeWithoutBit", Where::kFile, 104, {1}, kCorrupt, "compression_type"},
    {"ExtensionTooLong", Where::kFile, 116, {0xFF, 0xFF, 0xFF, 0xFF}, kCorrupt, "extension length"},

    {"L1Reserved", Where::kL1, 7, {1}, kCorrupt, "entry 0"},
    {"L1ReservedHigh", Where::kL1, 0, {0xC0}, kCorrupt, "entry 0"},
    {"L2Outside", Where::kL1, 1, {1}, kCorrupt, "entry 0"},
    {"L2Misaligned", Where::kL1, 6, {2}, kCorrupt, "entry 0"},
    {"DataReserved", Where::kL2, 7, {2}, kCorrupt, "entry 0"},
    {"DataReservedHigh", Where::kL2, 8, {0x81}, kCorrupt, "entry 1"},
    {"DataOutside", Where::kL2, 1, {1}, kCorrupt, "entry 0"},
    {"DataMisaligned", Where::kL2, 14, {2}, kCorrupt, "entry 1"},
    {"DataMisalignedZero", Where::kL2, 14, {2, 1}, kCorrupt, "entry 1"},
    {"CompressedGarbage", Where::kL2, 0, {0x40}, kCorrupt, "entry 0"},
    {"CompressedOutside", Where::kL2, 0, {0x40, 0x01}, kCorrupt, "entry 0"},

    {"SnapshotL1Outside", Where::kSnapshots, 0, kFarAway, kCorrupt, "l1_table_offset of snapshot 1"},
    {"SnapshotL1Misaligned", Where::kSnapshots, 6, {2}, kCorrupt, "l1_table_offset of snapshot 1"},
    {"SnapshotL1Huge", Where::kSnapshots, 8, {0xFF}, kCorrupt, "l1_size of snapshot 1"},
    {"SnapshotL1Small", Where::kSnapshots, 8, {0, 0, 0, 0}, kCorrupt, "l1_size of snapshot 1"},
    {"SnapshotExtraHuge", Where::kSnapshots, 36, {0xFF}, kCorrupt, "entry 0 extra_data_size"},
    {"SnapshotSizeHuge", Where::kSnapshots, 48, {0xFF}, kCorrupt, "virtual_disk_size of snapshot 1"},
    {"SnapshotL1Reserved", Where::kSnapshotL1, 7, {1}, kCorrupt, "entry 0"},

    {"BitmapCountZero", Where::kBitmapExtension, 0, {0, 0, 0, 0}, kCorrupt, "nb_bitmaps"},
    {"BitmapCountMore", Where::kBitmapExtension, 0, {0, 0, 0, 2}, kCorrupt, "entry 1 fixed part"},
    {"BitmapDirectoryOutside", Where::kBitmapExtension, 16, kFarAway, kCorrupt, "bitmap directory offset"},
    {"BitmapDirectoryHuge", Where::kBitmapExtension, 8, {0xFF}, kCorrupt, "bitmap directory offset"},
    {"BitmapTableOutside", Where::kBitmapDirectory, 0, kFarAway, kCorrupt, "entry 0 bitmap_table_offset"},
    {"BitmapTableHuge", Where::kBitmapDirectory, 8, {0xFF}, kCorrupt, "entry 0 bitmap_table_offset"},
    {"BitmapFlags", Where::kBitmapDirectory, 12, {0x80}, kUnsupported, "entry 0 flags"},
    {"BitmapType", Where::kBitmapDirectory, 16, {2}, kUnsupported, "entry 0 type"},
    {"BitmapGranularity", Where::kBitmapDirectory, 17, {64}, kCorrupt, "entry 0 granularity_bits"},
    {"BitmapNameEmpty", Where::kBitmapDirectory, 18, {0, 0}, kCorrupt, "entry 0 name_size"},
    {"BitmapNameLong", Where::kBitmapDirectory, 18, {0x03, 0xFF}, kCorrupt, "entry 0 name"},
    {"BitmapExtraHuge", Where::kBitmapDirectory, 20, {0xFF}, kCorrupt, "entry 0 extra data"},
    {"BitmapTableEntry", Where::kBitmapTable, 1, {0x01}, kCorrupt, "entry"},
    {"BitmapTableReserved", Where::kBitmapTable, 0, {0x80}, kCorrupt, "entry"},
};

TEST(DamagedImage, IsRefusedByField) {
  const auto sound = MadeBy(
      "qemu-img create -q -f qcow2 disk.qcow2 1M; qemu-img bitmap --add disk.qcow2 b;"
      "qemu-io -c 'write -P 1 0 128k' disk.qcow2; qemu-img snapshot -c one disk.qcow2;"
      "qemu-io -c 'write -P 2 0 128k' disk.qcow2");
  for (const DamageCase& damage : kDamages) ExpectRefused(sound, damage);
}

const DamageCase kExtendedDamages[] = {
    {"ZeroBitOfAStandardEntry", Where::kL2, 7, {1}, kCorrupt, "entry 0"},
    {"AllocatedAndZero", Where::kL2, 8, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, kCorrupt, "entry 0"},
    {"AllocatedWithoutPlace", Where::kL2, 0, {0, 0, 0, 0, 0, 0, 0, 0}, kCorrupt, "entry 0"},
    {"CompressedWithSubclusters", Where::kL2, 0, {0x40}, kCorrupt, "entry 0"},
    {"DataOutside", Where::kL2, 1, {1}, kCorrupt, "entry 0"},
    {"SmallClusters", Where::kFile, 23, {13}, kCorrupt, "cluster_bits"},
};

TEST(DamagedExtendedImage, IsRefusedByField) {
  const auto sound =
      MadeBy("qemu-img create -q -f qcow2 -o extended_l2=on disk.qcow2 1M; qemu-io -c 'write -P 1 0 40k' disk.qcow2");
  for (const DamageCase& damage : kExtendedDamages) ExpectRefused(sound, damage);
}

TEST(DamagedVersion2, ZeroBitIsReserved) {
  ExpectRefused(MadeBy("qemu-img create -q -f qcow2 -o compat=0.10 disk.qcow2 1M;"
                       "qemu-io -c 'write -P 1 0 64k' disk.qcow2"),
                {"ZeroBit", Where::kL2, 7, {1}, kCorrupt, "entry 0"});
}

TEST(DamagedDataFile, CompressedClustersAreRefused) {
  const TempDir folder;
  CommandOptions here;
  here.folder = folder.path().string();
  MustRun({"sh", "-ec",
           "qemu-img create -q -f qcow2 -o data_file=$PWD/data.raw disk.qcow2 1M;"
           "qemu-io -c 'write -P 1 0 64k' disk.qcow2"},
          here);
  const OpenedChain sound = OpenImageChain(folder.File("disk.qcow2"));
  ASSERT_FALSE(sound.layers.empty());
  ASSERT_TRUE(MapGuest(*sound.layers[0].image).ok());
  std::fstream file(folder.File("disk.qcow2"), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(0x40000);
  file.put('\x40');
  file.close();
  const OpenedChain damaged = OpenImageChain(folder.File("disk.qcow2"));
  ASSERT_FALSE(damaged.layers.empty());
  const auto outcome = MapGuest(*damaged.layers[0].image);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().field(), "entry 0");
}

TEST(UnknownFeatures, AreNamedFromTheFeatureTable) {
  std::vector<std::byte> bytes = MadeBy("qemu-img create -q -f qcow2 disk.qcow2 1M");
  bytes[78] = std::byte{1};  // incompatible bit 8
  const std::string name = "sideways clusters";
  for (std::size_t at = 112 + 8; at < 112 + 8 + 48; ++at) bytes[at] = std::byte{0};
  bytes[112 + 9] = std::byte{8};
  std::ranges::copy(std::as_bytes(std::span(name)), bytes.begin() + 112 + 10);
  const auto outcome = ReadEverything(bytes);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().what(), "Unsupported qcow2 feature(s): sideways clusters");
}

struct CutCase {
  const char* name;
  const char* script;
};

void PrintTo(const CutCase& cut, std::ostream* out) { *out << cut.name; }

const CutCase kCuts[] = {
    {"Plain",
     "qemu-img create -q -f qcow2 -o cluster_size=512 disk.qcow2 64k; qemu-io -c 'write -P 1 0 8k' disk.qcow2"},
    {"Compressed", "yes text | head -c 64k > in; qemu-img convert -c -O qcow2 -o cluster_size=4k in disk.qcow2"},
    {"Zstd",
     "yes text | head -c 64k > in;"
     "qemu-img convert -c -O qcow2 -o cluster_size=4k,compression_type=zstd in disk.qcow2"},
    {"Tables",
     "qemu-img create -q -f qcow2 -o cluster_size=512 disk.qcow2 64k; qemu-img bitmap --add disk.qcow2 b;"
     "qemu-io -c 'write -P 1 0 4k' disk.qcow2; qemu-img snapshot -c one disk.qcow2"},
};

class CutShort : public testing::TestWithParam<CutCase> {};

// Short of the end only clusters that the file's end cuts read as zeros, as with qemu.
TEST_P(CutShort, GivesAnErrorOrNothingButZerosPastTheEnd) {
  const std::vector<std::byte> whole = MadeBy(GetParam().script);
  ASSERT_LT(whole.size(), 1U << 20);
  std::size_t sound = 0;
  for (std::size_t size = 0; size <= whole.size(); size += size < 1024 ? 1 : 61) {
    sound += ReadEverything({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}).ok() ? 1 : 0;
  }
  EXPECT_LT(sound, 600U);
  EXPECT_TRUE(ReadEverything(whole).ok());
}

INSTANTIATE_TEST_SUITE_P(All, CutShort, testing::ValuesIn(kCuts), [](const auto& param) { return param.param.name; });

// However the clusters lie: one behind the other, which a map takes at once, too.
TEST(CutShort, MissesEveryClusterThatIsNotThere) {
  constexpr std::size_t kCluster = 4096;
  constexpr std::size_t kClusters = 200;
  const std::vector<std::byte> whole = MadeBy(
      "qemu-img create -q -f qcow2 -o cluster_size=4096 disk.qcow2 2M; qemu-io -c 'write -P 1 64k 800k' disk.qcow2");
  for (std::size_t missing = 1; missing < kClusters; ++missing) {
    const auto end = whole.end() - static_cast<std::ptrdiff_t>(missing * kCluster);
    EXPECT_FALSE(ReadEverything({whole.begin(), end}).ok()) << missing;
  }
  EXPECT_TRUE(ReadEverything({whole.begin(), whole.end() - kCluster / 2}).ok());
}

// Wild bytes anywhere in the metadata: whatever comes out, it is the image's fault and nobody else's.
TEST(WildBytes, AreAnErrorOfTheImageAtWorst) {
  for (const CutCase& image : kCuts) {
    const std::vector<std::byte> sound = MadeBy(image.script);
    Random random(7);
    for (int round = 0; round < 1500; ++round) {
      std::vector<std::byte> bytes = sound;
      const std::uint64_t span = round % 2 == 0 ? 256 : bytes.size();
      for (int hits = 0; hits < 3; ++hits) bytes[random.Below(span)] = std::byte(random.Below(256));
      const auto outcome = ReadEverything(std::move(bytes));
      if (outcome.ok()) continue;
      EXPECT_THAT(outcome.error().kind(), testing::AnyOf(ErrorKind::kNotThisFormat, kCorrupt, kUnsupported,
                                                         ErrorKind::kLimit, ErrorKind::kDenied))
          << outcome.error().Describe();
    }
  }
}

}  // namespace
}  // namespace platter::test
