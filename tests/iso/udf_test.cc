// UDF volumes: those of mkudffs, and structures damaged field by field.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/memory_storage.h"
#include "formats/iso/udf_volume.h"
#include "tests/iso/sample_tree.h"
#include "tests/iso/volume_bytes.h"

namespace platter::test {
namespace {

constexpr std::size_t kSector = 2048;

enum class Part { kAnchor, kPartition, kLogicalVolume, kFileSet, kRoot, kIdentifier, kFile };

std::uint16_t Number16(const Bytes& bytes, std::size_t at) { return LoadLe<std::uint16_t>(bytes.data() + at); }
std::uint32_t Number32(const Bytes& bytes, std::size_t at) { return LoadLe<std::uint32_t>(bytes.data() + at); }

// The name in a file identifier, with eight bits a character.
std::string_view NameAt(const Bytes& bytes, std::size_t identifier) {
  const auto length = std::to_integer<std::size_t>(bytes.at(identifier + 19));
  return {reinterpret_cast<const char*>(bytes.data()) + identifier + 39, length == 0 ? 0 : length - 1};
}

// The host offsets of all the copies of each part in a volume of genisoimage. Descriptors of the volume say in their
// tags which sector they stand in; the others are found by following them, ECMA-167 4/8.
std::map<Part, std::vector<std::size_t>> PartsOf(const Bytes& bytes) {
  std::map<Part, std::vector<std::size_t>> parts;
  const std::map<std::uint16_t, Part> kinds = {{2, Part::kAnchor}, {5, Part::kPartition}, {6, Part::kLogicalVolume}};
  for (std::size_t sector = 17; sector < bytes.size() / kSector; ++sector) {
    const auto kind = kinds.find(Number16(bytes, sector * kSector));
    if (kind == kinds.end() || Number32(bytes, sector * kSector + 12) != sector) continue;
    parts[kind->second].push_back(sector * kSector);
  }
  const std::size_t start = Number32(bytes, parts.at(Part::kPartition).at(0) + 188);
  const auto follow = [&](std::size_t address) { return (start + Number32(bytes, address + 4)) * kSector; };
  const std::size_t file_set = follow(parts.at(Part::kLogicalVolume).at(0) + 248);
  const std::size_t root = follow(file_set + 400);
  parts[Part::kFileSet] = {file_set};
  parts[Part::kRoot] = {root};
  std::size_t at = follow(root + 176 + Number32(bytes, root + 168));
  while (NameAt(bytes, at) != "script") {
    at += (38 + std::to_integer<std::size_t>(bytes.at(at + 19)) + Number16(bytes, at + 36) + 3) / 4 * 4;
  }
  parts[Part::kIdentifier] = {at};
  parts[Part::kFile] = {follow(at + 20)};
  return parts;
}

// Which of a tag's sums are made right again after a change.
enum class Seal { kNone, kChecksum, kAll };

void SealTag(Bytes& bytes, std::size_t at, Seal seal) {
  if (seal == Seal::kAll) {
    std::uint32_t crc = 0;
    for (const std::byte byte : std::span(bytes).subspan(at + 16, Number16(bytes, at + 10))) {
      crc ^= std::to_integer<std::uint32_t>(byte) << 8;
      for (int bit = 0; bit < 8; ++bit) crc = (crc << 1 ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U)) & 0xFFFFU;
    }
    StoreLe(bytes.data() + at + 8, static_cast<std::uint16_t>(crc));
  }
  if (seal == Seal::kNone) return;
  unsigned sum = 0;
  for (std::size_t byte = 0; byte < 16; ++byte) {
    if (byte != 4) sum += std::to_integer<unsigned>(bytes[at + byte]);
  }
  bytes[at + 4] = static_cast<std::byte>(sum & 0xFFU);
}

struct PartCase {
  const char* name;
  Part part;  // every copy of it is changed
  std::size_t offset;
  std::vector<std::uint8_t> bytes;
  const char* finding;  // part of one
  Seal seal = Seal::kAll;
  bool others_stay = false;  // what is wrong is one file's affair
};

void PrintTo(const PartCase& part, std::ostream* out) { *out << part.name; }

const std::vector<std::uint8_t> kZero4(4, 0);
const std::vector<std::uint8_t> kMax4(4, 0xFF);
const std::vector<std::uint8_t> kNine = {9, 0};
constexpr const char* kOutside = "an address lies outside its UDF partition";
constexpr const char* kNoPartition = "names no partition";
constexpr const char* kTooLittle = "allocation descriptors cover less than its size";

const PartCase kParts[] = {
    {"AnchorTagIdentifier", Part::kAnchor, 0, {0, 0}, "no UDF anchor", Seal::kChecksum},
    {"AnchorMainLengthZero", Part::kAnchor, 16, kZero4, "main volume descriptor sequence"},
    {"AnchorMainLocationMax", Part::kAnchor, 20, kMax4, "main volume descriptor sequence"},
    {"AnchorNoSequences", Part::kAnchor, 16, std::vector<std::uint8_t>(16, 0), "no logical volume or no partition"},
    {"TagIdentifier", Part::kFileSet, 0, {1, 0}, "another UDF descriptor was expected", Seal::kChecksum},
    {"TagChecksum", Part::kLogicalVolume, 4, {0xEE}, "a wrong checksum", Seal::kNone},
    {"TagCrc", Part::kLogicalVolume, 8, {0xEE, 0xEE}, "a wrong CRC", Seal::kChecksum},
    {"TagCrcLengthMax", Part::kLogicalVolume, 10, {255, 255}, "covers more than the descriptor", Seal::kChecksum},
    {"TagCrcLengthLess", Part::kLogicalVolume, 10, {7, 0}, "a wrong CRC", Seal::kChecksum},
    {"TagLocationMax", Part::kLogicalVolume, 12, kMax4, "stands elsewhere", Seal::kChecksum},
    {"BlockSizeZero", Part::kLogicalVolume, 212, kZero4, "logical blocks that are no sectors"},
    {"BlockSizeMax", Part::kLogicalVolume, 212, kMax4, "logical blocks that are no sectors"},
    {"BlockSizeOffByOne", Part::kLogicalVolume, 212, {1, 8, 0, 0}, "logical blocks that are no sectors"},
    {"FileSetBlockMax", Part::kLogicalVolume, 252, kMax4, kOutside},
    {"FileSetPartition", Part::kLogicalVolume, 256, kNine, kNoPartition},
    {"MapCountZero", Part::kLogicalVolume, 268, kZero4, "a number of partition maps that cannot be"},
    {"MapCountMax", Part::kLogicalVolume, 268, kMax4, "a number of partition maps that cannot be"},
    {"MapCountOneMore", Part::kLogicalVolume, 268, {2, 0, 0, 0}, "a partition map does not fit"},
    {"MapKind", Part::kLogicalVolume, 440, {2}, "UDF partitions of the kind 'type 2' are not supported"},
    {"MapLengthZero", Part::kLogicalVolume, 441, {0}, "a partition map does not fit"},
    {"MapLengthLess", Part::kLogicalVolume, 441, {5}, "a partition map does not fit"},
    {"MapPartition", Part::kLogicalVolume, 444, kNine, kNoPartition},
    {"PartitionNumber", Part::kPartition, 22, kNine, kNoPartition},
    {"PartitionStartMax", Part::kPartition, 188, kMax4, "the file ends before UDF's file set"},
    {"PartitionLengthZero", Part::kPartition, 192, kZero4, kOutside},
    {"PartitionLengthMax", Part::kPartition, 192, kMax4, "the file is cut off"},
    {"RootBlockMax", Part::kFileSet, 404, kMax4, kOutside},
    {"RootPartition", Part::kFileSet, 408, kNine, kNoPartition},
    {"RootStrategyZero", Part::kRoot, 20, {0, 0}, "a file entry strategy that is not supported"},
    {"RootStrategy4096", Part::kRoot, 20, {0, 16}, "a file entry strategy that is not supported"},
    {"RootIsAFile", Part::kRoot, 27, {5}, "the root directory is none"},
    {"FormExtended", Part::kRoot, 34, {2}, "extended allocation descriptors are not supported"},
    {"FormEmbedded", Part::kRoot, 34, {3}, "an embedded file is larger than its room"},
    {"FormReserved", Part::kRoot, 34, {4}, "allocation descriptors of no known form"},
    {"FormMax", Part::kRoot, 34, {7}, "allocation descriptors of no known form"},
    {"SizeMax", Part::kRoot, 56, std::vector<std::uint8_t>(8, 0xFF), "a file's size cannot be"},
    {"SizeMore", Part::kRoot, 56, {0, 0, 1}, kTooLittle},
    {"AttributesMax", Part::kRoot, 168, kMax4, "a file entry's parts reach past its block"},
    {"DescriptorsMax", Part::kRoot, 172, kMax4, "a file entry's parts reach past its block"},
    {"DescriptorsZero", Part::kRoot, 172, kZero4, kTooLittle},
    {"ExtentLengthZero", Part::kRoot, 176, kZero4, kTooLittle},
    {"ExtentBlockMax", Part::kRoot, 180, kMax4, kOutside},
    {"IdentifierTag", Part::kIdentifier, 4, {0xEE}, "a wrong checksum", Seal::kNone},
    {"IdentifierCrc", Part::kIdentifier, 8, {0xEE, 0xEE}, "a wrong CRC", Seal::kChecksum},
    {"IdentifierNameMax", Part::kIdentifier, 19, {255}, "UDF"},
    {"IdentifierBlockMax", Part::kIdentifier, 24, kMax4, kOutside, Seal::kAll, true},
    {"IdentifierPartition", Part::kIdentifier, 28, kNine, kNoPartition, Seal::kAll, true},
    {"IdentifierUseMax", Part::kIdentifier, 36, {255, 255}, "an identifier is too long"},
    {"IdentifierUseMore", Part::kIdentifier, 36, {0, 16}, "an identifier is cut off by the end of its directory"},
    {"FileTag", Part::kFile, 0, {5, 0}, "another UDF descriptor was expected", Seal::kChecksum, true},
    {"FileSizeMore", Part::kFile, 56, {0, 0, 1}, kTooLittle, Seal::kAll, true},
    {"FileBlockMax", Part::kFile, 180, kMax4, kOutside, Seal::kAll, true},
};

class UdfPart : public testing::TestWithParam<PartCase> {
 protected:
  static void SetUpTestSuite() { bytes_ = MakeVolume("genisoimage -quiet -udf -o v.iso tree"); }

  static inline Bytes bytes_;
};

TEST_P(UdfPart, IsReported) {
  Bytes bytes = bytes_;
  const auto parts = PartsOf(bytes_);
  for (const std::size_t at : parts.at(GetParam().part)) {
    Overwrite(bytes, at + GetParam().offset, GetParam().bytes);
    SealTag(bytes, at, GetParam().seal);
  }
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr(GetParam().finding)));
  // Listed, or refused with an error: either way it ends.
  const auto image = OpenBytes(bytes, "udf");
  if (image.ok()) (void)ContentOfTree(*image.value()->file_tree());
  EXPECT_EQ(GetParam().others_stay ? LostFrom(bytes_, bytes, "script", "udf") : "", "");
}

INSTANTIATE_TEST_SUITE_P(All, UdfPart, testing::ValuesIn(kParts), [](const auto& param) { return param.param.name; });

struct MediaCase {
  const char* name;
  const char* options;  // of mkudffs
  const char* system;   // as info names it; "" when it is refused
  const char* refusal = "";
};

void PrintTo(const MediaCase& media, std::ostream* out) { *out << media.name; }

const MediaCase kMedia[] = {
    {"Blocks512", "-b 512 -m hd -r 2.01", "udf-2.01"},
    {"Blocks1024", "-b 1024 -m hd -r 2.00", "udf-2.00"},
    {"Blocks2048", "-b 2048 -m hd -r 1.50", "udf-1.50"},
    {"Blocks4096", "-b 4096 -m hd -r 1.02", "udf-1.02"},
    {"DvdRam", "-m dvdram", "udf-2.01"},
    {"DvdRw", "-m dvdrw", "", "'*UDF Sparable Partition' are not supported"},
    {"CdR", "-m cdr", "", "'*UDF Virtual Partition' are not supported"},
};

class UdfMedia : public testing::TestWithParam<MediaCase> {};

TEST_P(UdfMedia, IsDescribedOrRefused) {
  const Bytes bytes =
      MakeVolume(fmt::format("mkudffs --new-file {} --label=LABEL v.iso 4096 >/dev/null", GetParam().options));
  const auto image = OpenBytes(bytes);
  ASSERT_EQ(image.ok(), std::string_view(GetParam().refusal).empty());
  if (!image.ok()) {
    EXPECT_THAT(image.error().Describe(), testing::HasSubstr(GetParam().refusal));
    return;
  }
  const Detail& details = image.value()->info().specific;
  EXPECT_EQ(std::get<std::string>(details.Find("volume-id")->value()), "LABEL");
  const auto& systems = std::get<Detail::List>(details.Find("systems")->value());
  EXPECT_EQ(std::get<std::string>(systems.at(0).value()), GetParam().system);
  EXPECT_EQ(std::get<std::uint64_t>(details.Find("volume-size")->value()), bytes.size());
  EXPECT_EQ(details.Find("tail-bytes"), nullptr);
  EXPECT_THAT(FindingsIn(bytes), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, UdfMedia, testing::ValuesIn(kMedia), [](const auto& param) { return param.param.name; });

TEST(Udf, DirectoryThatHoldsItselfIsWalkedOnce) {
  Bytes bytes = MakeVolume("genisoimage -quiet -udf -o v.iso tree");
  EXPECT_THAT(FindingsIn(bytes), testing::IsEmpty());
  const auto parts = PartsOf(bytes);
  const std::size_t identifier = parts.at(Part::kIdentifier).at(0);
  StoreLe(bytes.data() + identifier + 24, Number32(bytes, parts.at(Part::kFileSet).at(0) + 404));
  SealTag(bytes, identifier, Seal::kAll);
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("more than once")));
}

// Puts a copy of the descriptor at `descriptor` behind its sequence, whose end's mark stands at `end` and moves on.
// Returns where the copy is.
std::size_t AddToSequence(Bytes& bytes, std::size_t descriptor, std::size_t end) {
  const auto copy = [&bytes](std::size_t from, std::size_t to) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), kSector,
                bytes.begin() + static_cast<std::ptrdiff_t>(to));
    StoreLe(bytes.data() + to + 12, static_cast<std::uint32_t>(to / kSector));
    SealTag(bytes, to, Seal::kAll);
  };
  copy(end, end + kSector);
  copy(descriptor, end);
  return end;
}

std::string VolumeId(const Bytes& bytes) {
  MemoryStorage storage("v.iso", bytes);
  iso::Findings findings;
  const auto volume = iso::ReadUdfVolume(storage, "NSR02", findings);
  return volume.ok() ? volume.value().volume_id : volume.error().Describe();
}

// ECMA-167 3/8.4.3: of two descriptors, the one with the higher number counts, wherever it stands.
TEST(Udf, HighestSequenceNumberCounts) {
  const struct {
    std::uint16_t tag;
    std::size_t offset;  // of what is wrong in the other descriptor
    std::vector<std::uint8_t> wrong;
  } rows[] = {
      {1, 24, {8, 'w', 'r', 'o', 'n', 'g'}},  // the volume's identifier
      {5, 188, {0, 0, 0, 1}},                 // where the partition starts
      {6, 252, kMax4},                        // where the file set is
  };
  const Bytes whole = MakeVolume("genisoimage -quiet -udf -V LABEL -o v.iso tree");
  const auto expected = ContentOfTree(*OpenBytes(whole, "udf").value()->file_tree());
  for (const auto& row : rows) {
    for (const bool last_counts : {true, false}) {
      Bytes bytes = whole;
      std::size_t first = 0;
      for (std::size_t at = 17 * kSector; at + kSector < 100 * kSector; at += kSector) {
        if (Number32(bytes, at + 12) != at / kSector) continue;
        if (Number16(bytes, at) == row.tag) first = at;
        if (Number16(bytes, at) != 8 || first == 0) continue;
        const std::size_t second = AddToSequence(bytes, first, at);
        Overwrite(bytes, (last_counts ? first : second) + row.offset, row.wrong);
        StoreLe(bytes.data() + first + 16, last_counts ? std::uint32_t{8} : std::uint32_t{9});
        StoreLe(bytes.data() + second + 16, last_counts ? std::uint32_t{9} : std::uint32_t{8});
        for (const std::size_t changed : {first, second}) SealTag(bytes, changed, Seal::kAll);
        first = 0;
        at += kSector;
      }
      const auto image = OpenBytes(bytes, "udf");
      ASSERT_TRUE(image.ok()) << row.tag << " " << image.error().Describe();
      EXPECT_EQ(ContentOfTree(*image.value()->file_tree()), expected) << row.tag << " " << last_counts;
      EXPECT_EQ(VolumeId(bytes), "LABEL") << row.tag << " " << last_counts;
      EXPECT_THAT(FindingsIn(bytes), testing::IsEmpty()) << row.tag << " " << last_counts;
    }
  }
}

// The folder is reported, and the files behind the damage are there.
TEST(Udf, DamagedIdentifierHidesNoOther) {
  const Bytes whole = MakeVolume("genisoimage -quiet -udf -o v.iso tree");
  Bytes bytes = whole;
  Overwrite(bytes, PartsOf(whole).at(Part::kIdentifier).at(0) + 4, {0xEE});
  EXPECT_EQ(LostFrom(whole, bytes, "script", "udf"), "");
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("a wrong checksum")));
}

TEST(Udf, ReserveSequenceIsUsed) {
  Bytes bytes = MakeVolume("genisoimage -quiet -udf -o v.iso tree");
  const auto whole = ContentOfTree(*OpenBytes(bytes, "udf").value()->file_tree());
  Overwrite(bytes, PartsOf(bytes).at(Part::kLogicalVolume).at(0), kMax4);
  const auto image = OpenBytes(bytes, "udf");
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(ContentOfTree(*image.value()->file_tree()), whole);
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("main volume descriptor sequence")));
}

}  // namespace
}  // namespace platter::test
