// Every field of every structure set to what it must not be, and the error that names it.
#include <gtest/gtest.h>

#include <functional>

#include "tests/vhdx/vhdx_bytes.h"

namespace platter::test {
namespace {

using vhdx::kMiB;

const GuestDisk kDisk{.size = 3 * kMiB, .ranges = {{0, 3 * kMiB, GuestRange::Kind::kNoise, 7}}};
constexpr std::uint64_t kMax64 = ~std::uint64_t{0};
constexpr std::uint64_t kMax32 = 0xFFFFFFFF;

struct Damage {
  const char* name;
  std::function<void(VhdxBytes&)> change;
  ErrorKind kind;     // of the error
  const char* words;  // in its text; "" where the image stays readable
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

std::function<void(VhdxBytes&)> InHeaders(std::size_t field, std::size_t width, std::uint64_t value) {
  return [=](VhdxBytes& image) {
    for (const std::uint64_t at : vhdx::kHeaderOffsets) {
      if (width == 2) image.Put16(at + field, value);
      if (width == 4) image.Put32(at + field, value);
      if (width == 8) image.Put64(at + field, value);
    }
    image.SealHeaders();
  };
}
// The log's place with a log GUID, so that it matters.
std::function<void(VhdxBytes&)> LogPlace(std::size_t field, std::size_t width, std::uint64_t value) {
  return [=](VhdxBytes& image) {
    for (const std::uint64_t at : vhdx::kHeaderOffsets) image.PutGuid(at + 48, vhdx::kBatRegion);
    InHeaders(field, width, value)(image);
  };
}
// Field of entry 0 (block allocation table) or 1 (metadata).
std::function<void(VhdxBytes&)> InRegion(std::size_t entry, std::size_t field, std::size_t width, std::uint64_t value) {
  return [=](VhdxBytes& image) {
    for (const std::uint64_t table : vhdx::kRegionTableOffsets) {
      const std::uint64_t at = table + 16 + entry * 32 + field;
      width == 4 ? image.Put32(at, value) : image.Put64(at, value);
    }
    image.SealRegions();
  };
}
std::function<void(VhdxBytes&)> RegionCount(std::uint64_t count) {
  return [=](VhdxBytes& image) {
    for (const std::uint64_t table : vhdx::kRegionTableOffsets) image.Put32(table + 8, count);
    image.SealRegions();
  };
}
// Regions of one MiB behind the two that have to be there, in a file of ten.
std::function<void(VhdxBytes&)> MoreRegions(const vhdx::Guid& guid, const std::vector<std::uint64_t>& offsets,
                                            std::uint64_t flags) {
  return [=](VhdxBytes& image) {
    image.bytes.resize(10 * kMiB);
    for (const std::uint64_t table : vhdx::kRegionTableOffsets) {
      std::uint64_t at = table + 16 + 2 * 32;
      for (const std::uint64_t offset : offsets) {
        image.PutGuid(at, guid);
        image.Put64(at + 16, offset);
        image.Put32(at + 24, kMiB);
        image.Put32(at + 28, flags);
        at += 32;
      }
    }
    RegionCount(2 + offsets.size())(image);
  };
}
// Field of a metadata table entry: 0 parameters, 1 size, 2 id, 3 logical, 4 physical sector.
std::function<void(VhdxBytes&)> InItem(std::size_t item, std::size_t field, std::uint64_t value) {
  return [=](VhdxBytes& image) { image.Put32(kMetadataAt + 32 + item * 32 + field, value); };
}
std::function<void(VhdxBytes&)> Item32(std::uint64_t at, std::uint64_t value) {
  return [=](VhdxBytes& image) { image.Put32(kMetadataAt + 65536 + at, value); };
}
std::function<void(VhdxBytes&)> Item64(std::uint64_t at, std::uint64_t value) {
  return [=](VhdxBytes& image) { image.Put64(kMetadataAt + 65536 + at, value); };
}
std::function<void(VhdxBytes&)> Entry(std::uint64_t index, std::uint64_t word) {
  return [=](VhdxBytes& image) { image.Put64(kBatAt + index * 8, word); };
}
std::function<void(VhdxBytes&)> Spoil(const std::vector<std::uint64_t>& places) {
  return [=](VhdxBytes& image) {
    for (const std::uint64_t at : places) image.bytes.at(at) ^= std::byte{1};
  };
}
std::function<void(VhdxBytes&)> ItemFlags(std::size_t item, const vhdx::Guid& guid, std::uint64_t flags) {
  return [=](VhdxBytes& image) {
    image.PutGuid(kMetadataAt + 32 + item * 32, guid);
    image.Put32(kMetadataAt + 32 + item * 32 + 24, flags);
  };
}

constexpr vhdx::Guid kUnknown = *vhdx::Guid::Parse("01234567-89ab-cdef-0123-456789abcdef");
constexpr auto kCorrupt = ErrorKind::kCorrupt;
constexpr auto kUnsupported = ErrorKind::kUnsupported;

const Damage kDamages[] = {
    {"Signature", Spoil({0}), ErrorKind::kNotThisFormat, "not a VHDX file"},
    {"BothHeaders", Spoil({65536 + 100, 131072 + 100}), kCorrupt, "neither header is valid"},
    {"Header1", Spoil({65536 + 100}), kCorrupt, ""},
    {"Header2", Spoil({131072 + 100}), kCorrupt, ""},
    {"SameSequence", InHeaders(8, 8, 5), kCorrupt, ""},
    {"SameSequenceDifferent",
     [](VhdxBytes& image) {
       image.PutGuid(65536 + 16, kUnknown);
       InHeaders(8, 8, 5)(image);
     },
     kCorrupt, "the same sequence number and differ"},
    {"SequenceMax", [](VhdxBytes& image) { image.Put64(65536 + 8, kMax64), image.SealHeaders(); }, kCorrupt, ""},
    {"VersionZero", InHeaders(66, 2, 0), kUnsupported, "unknown version of the format"},
    {"VersionTwo", InHeaders(66, 2, 2), kUnsupported, "unknown version of the format"},
    {"VersionMax", InHeaders(66, 2, 65535), kUnsupported, "unknown version of the format"},
    {"LogVersionOne", InHeaders(64, 2, 1), kUnsupported, "unknown version of the log"},
    {"LogVersionMax", InHeaders(64, 2, 65535), kUnsupported, "unknown version of the log"},
    {"LogLengthOne", LogPlace(68, 4, 1), kCorrupt, "log_length"},
    {"LogLengthMax", LogPlace(68, 4, kMax32), kCorrupt, "log_length"},
    {"LogLengthLarge", LogPlace(68, 4, 0xFFF00000), kCorrupt, "log_offset"},
    {"LogOffsetZero", LogPlace(72, 8, 0), kCorrupt, "log_offset"},
    {"LogOffsetOdd", LogPlace(72, 8, kMiB + 1), kCorrupt, "log_offset"},
    {"LogOffsetMax", LogPlace(72, 8, kMax64), kCorrupt, "log_offset"},
    {"LogOffsetWraps", LogPlace(72, 8, kMax64 - kMiB + 1), kCorrupt, "log_offset"},
    {"LogOverTable", InHeaders(72, 8, kBatAt), kCorrupt, "region overlaps the log"},
    {"LogEmptyInsideTable",
     [](VhdxBytes& image) {
       InHeaders(68, 4, 0)(image);
       InHeaders(72, 8, kBatAt + 4096)(image);
     },
     kCorrupt, ""},
    {"RegionTable1", Spoil({196608 + 1000}), kCorrupt, ""},
    {"RegionTable2", Spoil({262144 + 1000}), kCorrupt, ""},
    {"BothRegionTables", Spoil({196608 + 1000, 262144 + 1000}), kCorrupt, "neither region table is valid"},
    {"RegionCountZero", RegionCount(0), kCorrupt, "no region for the block allocation table"},
    {"RegionCountOne", RegionCount(1), kCorrupt, "no region for the metadata"},
    {"RegionCountOver", RegionCount(2048), kCorrupt, "too many regions"},
    {"RegionCountMax", RegionCount(kMax32), kCorrupt, "too many regions"},
    {"TableOffsetZero", InRegion(0, 16, 8, 0), kCorrupt, "entry 0 file_offset"},
    {"TableOffsetOdd", InRegion(0, 16, 8, kBatAt + 4096), kCorrupt, "entry 0 file_offset"},
    {"TableOffsetFar", InRegion(0, 16, 8, std::uint64_t{1} << 50), kCorrupt, "entry 0 file_offset"},
    {"TableOffsetMax", InRegion(0, 16, 8, kMax64 - kMiB + 1), kCorrupt, "entry 0 file_offset"},
    {"TableLengthZero", InRegion(0, 24, 4, 0), kCorrupt, "entry 0 length"},
    {"TableLengthOdd", InRegion(0, 24, 4, kMiB + 1), kCorrupt, "entry 0 length"},
    {"TableLengthMax", InRegion(0, 24, 4, kMax32), kCorrupt, "entry 0 length"},
    {"TableLengthOver", InRegion(0, 24, 4, 0xFFF00000), kCorrupt, "entry 0 file_offset"},
    {"RegionsOverlap", InRegion(1, 16, 8, kBatAt), kCorrupt, "overlaps another region"},
    {"UnknownRegion", MoreRegions(kUnknown, {4 * kMiB}, 0), kCorrupt, "overlaps a region"},
    {"UnknownRegionsBehind", MoreRegions(kUnknown, {9 * kMiB, 7 * kMiB, 8 * kMiB}, 0), kCorrupt, ""},
    {"UnknownRegionsOverFirst", MoreRegions(kUnknown, {9 * kMiB, 4 * kMiB, 8 * kMiB}, 0), kCorrupt,
     "overlaps a region"},
    {"UnknownRegionsOverLast", MoreRegions(kUnknown, {7 * kMiB, 8 * kMiB, 6 * kMiB}, 0), kCorrupt, "overlaps a region"},
    {"UnknownRequiredRegion", MoreRegions(kUnknown, {4 * kMiB}, 1), kUnsupported, "unknown region that is required"},
    {"RegionTwice", MoreRegions(vhdx::kBatRegion, {4 * kMiB}, 1), kCorrupt, "stands there twice"},
    {"MetadataSignature", Spoil({kMetadataAt}), kCorrupt, "no metadata table"},
    {"ItemCountZero", [](VhdxBytes& image) { image.Put16(kMetadataAt + 10, 0); }, kCorrupt, "is missing"},
    {"ItemCountFour", [](VhdxBytes& image) { image.Put16(kMetadataAt + 10, 4); }, kCorrupt,
     "physical sector size is missing"},
    {"ItemCountOver", [](VhdxBytes& image) { image.Put16(kMetadataAt + 10, 2048); }, kCorrupt, "too many metadata"},
    {"ItemTwice", ItemFlags(4, vhdx::kFileParametersItem, 4), kCorrupt, "another length"},
    {"SectorTwice", ItemFlags(4, vhdx::kLogicalSectorItem, 4), kCorrupt, "stands there twice"},
    {"UnknownItem", ItemFlags(2, kUnknown, 0), kCorrupt, "virtual disk id is missing"},
    {"UnknownRequiredItem", ItemFlags(2, kUnknown, 4), kUnsupported, "unknown metadata item that is required"},
    {"ItemOffsetZero", InItem(1, 16, 0), kCorrupt, "entry 1 offset"},
    {"ItemOffsetInTable", InItem(1, 16, 65535), kCorrupt, "entry 1 offset"},
    {"ItemOffsetOver", InItem(1, 16, kMiB - 7), kCorrupt, "entry 1 offset"},
    {"ItemOffsetMax", InItem(1, 16, kMax32), kCorrupt, "entry 1 offset"},
    {"ItemLengthZero", InItem(2, 20, 0), kCorrupt, "entry 2 length"},
    {"ItemLengthOff", InItem(2, 20, 17), kCorrupt, "entry 2 length"},
    {"ItemLengthMax", InItem(2, 20, kMax32), kCorrupt, "entry 2 length"},
    {"BlockSizeZero", Item32(0, 0), kCorrupt, "block size is impossible"},
    {"BlockSizeOne", Item32(0, 1), kCorrupt, "block size is impossible"},
    {"BlockSizeHalf", Item32(0, kMiB / 2), kCorrupt, "block size is impossible"},
    {"BlockSizeThree", Item32(0, 3 * kMiB), kCorrupt, "block size is impossible"},
    {"BlockSizeOver", Item32(0, 512 * kMiB), kCorrupt, "block size is impossible"},
    {"BlockSizeMax", Item32(0, kMax32), kCorrupt, "block size is impossible"},
    {"ParentNobodyNames", Item32(4, 2), kCorrupt, "parent locator is missing"},
    {"DiskSizeOdd", Item64(8, 3 * kMiB + 1), kCorrupt, "disk size is impossible"},
    {"DiskSizeOver", Item64(8, (std::uint64_t{64} << 40) + 512), kCorrupt, "disk size is impossible"},
    {"DiskSizeMax", Item64(8, kMax64), kCorrupt, "disk size is impossible"},
    {"DiskSizeOverTheTable", Item64(8, std::uint64_t{64} << 40), kCorrupt, "too small for the block allocation table"},
    {"LogicalZero", Item32(32, 0), kCorrupt, "logical sector size"},
    {"Logical1024", Item32(32, 1024), kCorrupt, "logical sector size"},
    {"LogicalMax", Item32(32, kMax32), kCorrupt, "logical sector size"},
    {"PhysicalZero", Item32(36, 0), kCorrupt, "physical sector size"},
    {"Physical513", Item32(36, 513), kCorrupt, "physical sector size"},
    {"State4", Entry(1, kPayloadAt | 4), kCorrupt, "no legal state"},
    {"State7", Entry(1, kPayloadAt | 7), kCorrupt, "without a parent"},
    {"OffsetZero", Entry(1, 6), kCorrupt, "entry 1"},
    {"OffsetHeader", Entry(2, 6), kCorrupt, "outside the file"},
    {"OffsetLog", Entry(1, kLogAt | 6), kCorrupt, "overlaps the log"},
    {"OffsetTable", Entry(1, kBatAt | 6), kCorrupt, "overlaps the block allocation table"},
    {"OffsetMetadata", Entry(1, kMetadataAt | 6), kCorrupt, "overlaps the metadata"},
    {"OffsetEnd", Entry(1, 7 * kMiB | 6), kCorrupt, "outside the file"},
    {"OffsetMax", Entry(1, (kMax64 - kMiB + 1) | 6), kCorrupt, "outside the file"},
    {"ReservedBits", [](VhdxBytes& image) { image.Put64(kBatAt, image.U64(kBatAt) | 0xFFFF8); }, kCorrupt, ""},
};

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, IsReadRightlyOrRefusedByName) {
  VhdxBytes image = VhdxBytes::Of(kDisk);
  GetParam().change(image);
  const auto read = ReadVhdx(image.Storage());
  if (*GetParam().words == '\0') {
    ASSERT_TRUE(read.ok()) << read.error().Describe();
    EXPECT_EQ(read.value(), kDisk.Sha256());
    return;
  }
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind(), GetParam().kind) << read.error().Describe();
  EXPECT_NE(read.error().Describe().find(GetParam().words), std::string::npos) << read.error().Describe();
}

INSTANTIATE_TEST_SUITE_P(All, Damaged, testing::ValuesIn(kDamages), [](const auto& row) { return row.param.name; });

// States in which the guest reads zeros, with an offset that means nothing.
TEST(States, ThatHoldNothingReadAsZero) {
  for (const std::uint64_t state : {0U, 1U, 2U, 3U, 5U}) {
    VhdxBytes image = VhdxBytes::Of(kDisk);
    image.Put64(kBatAt + 8, (std::uint64_t{1} << 50) | state);
    std::vector<std::byte> expected = kDisk.Content();
    std::fill_n(expected.begin() + kMiB, kMiB, std::byte{0});
    const auto read = ReadVhdx(image.Storage());
    ASSERT_TRUE(read.ok()) << read.error().Describe();
    EXPECT_EQ(read.value(), Sha256OfBytes(expected)) << "state " << state;
  }
}

// What check counts, as platter and as qemu-img, and what is left after a repair.
struct Finding {
  const char* name;
  std::function<void(VhdxBytes&)> change;
  std::uint64_t ours = 0;
  std::uint64_t as_qemu = 0;
  std::uint64_t after_repair = 0;
};
void PrintTo(const Finding& finding, std::ostream* out) { *out << finding.name; }

const Finding kFindings[] = {
    {"Nothing", [](VhdxBytes&) {}},
    {"Header1", Spoil({65536 + 100}), 1},
    {"Header2", Spoil({131072 + 100}), 1},
    {"RegionTable1", Spoil({196608 + 1000}), 1},
    {"RegionTable2", Spoil({262144 + 1000}), 1},
    {"Outside", Entry(1, 7 * kMiB | 6), 1, 1, 1},
    {"OverLog", Entry(1, kLogAt | 6), 1, 1, 1},
    {"Twice", Entry(1, kPayloadAt | 6), 1, 0, 1},
    {"State4", Entry(1, 4), 1, 0, 1},
    {"PartWithoutParent", Entry(1, (kPayloadAt + kMiB) | 7), 1, 0, 1},
    {"ReservedBits", [](VhdxBytes& image) { image.Put64(kBatAt, image.U64(kBatAt) | 8); }, 1, 0, 1},
};

class Checked : public testing::TestWithParam<Finding> {};

TEST_P(Checked, Counts) {
  VhdxBytes image = VhdxBytes::Of(kDisk);
  GetParam().change(image);
  const auto storage = image.Storage();
  const auto ours = CheckVhdx(storage, Repair::kNothing);
  const auto as_qemu = CheckVhdx(storage, Repair::kNothing, Dialect::kQemu);
  const auto repaired = CheckVhdx(storage, Repair::kAll);
  const auto again = CheckVhdx(storage, Repair::kNothing);
  ASSERT_TRUE(ours.ok() && as_qemu.ok() && repaired.ok() && again.ok());
  EXPECT_EQ(ours.value().corruptions, GetParam().ours);
  EXPECT_EQ(as_qemu.value().corruptions, GetParam().as_qemu);
  EXPECT_EQ(repaired.value().corruptions_fixed, GetParam().ours - GetParam().after_repair);
  EXPECT_EQ(again.value().corruptions, GetParam().after_repair);
}

INSTANTIATE_TEST_SUITE_P(All, Checked, testing::ValuesIn(kFindings), [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace platter::test
