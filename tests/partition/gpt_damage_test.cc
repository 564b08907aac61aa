// GUID partition tables with one field wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <span>

#include "formats/core/bytes.h"
#include "formats/partition/layout.h"
#include "tests/partition/disk.h"

namespace platter::partition {
namespace {

constexpr std::size_t kSector = 512;

const std::vector<std::byte>& Sound() {
  static const auto kBytes = DiskMadeBy(
      "16M", "printf 'label: gpt\\nstart=2048,size=2048,type=U\\nsize=4096,type=L,name=root\\n' | sfdisk -q $0");
  return kBytes;
}

std::uint32_t Crc(const std::byte* bytes, std::size_t size) {
  return static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes), static_cast<uInt>(size)));
}

void FixHeaderCrc(std::byte* header) {
  StoreLe(header + 16, std::uint32_t{0});
  const auto size = std::min<std::uint32_t>(LoadLe<std::uint32_t>(header + 12), kSector);
  StoreLe(header + 16, Crc(header, size));
}

std::byte* Primary(std::vector<std::byte>& disk) { return disk.data() + kSector; }
std::byte* Backup(std::vector<std::byte>& disk) { return disk.data() + disk.size() - kSector; }

void Wipe(std::vector<std::byte>& disk, std::size_t offset, std::size_t length) {
  std::ranges::fill(std::span(disk).subspan(offset, length), std::byte{0});
}

struct Row {
  const char* field;
  std::size_t offset;
  std::size_t width;
  std::uint64_t value;
  ErrorKind kind = ErrorKind::kCorrupt;
};

constexpr std::uint64_t kMax32 = 0xFFFFFFFF;
constexpr std::uint64_t kMax64 = ~std::uint64_t{0};
constexpr Row kRows[] = {
    {"revision", 8, 4, 0},
    {"revision", 8, 4, 0x00010001},
    {"revision", 8, 4, kMax32},
    {"header_size", 12, 4, 0},
    {"header_size", 12, 4, 91},
    {"header_size", 12, 4, 513},
    {"header_size", 12, 4, kMax32},
    {"my_lba", 24, 8, 0},
    {"my_lba", 24, 8, 2},
    {"my_lba", 24, 8, kMax64},
    {"first_usable_lba", 40, 8, kMax64},
    {"first_usable_lba", 40, 8, 40000},
    {"last_usable_lba", 48, 8, kMax64},
    {"last_usable_lba", 48, 8, std::uint64_t{1} << 54},
    {"entries_lba", 72, 8, 0},
    {"entries_lba", 72, 8, 1},
    {"entries_lba", 72, 8, 32768 - 31},
    {"entries_lba", 72, 8, kMax64},
    {"entries_lba", 72, 8, std::uint64_t{1} << 55},
    {"number_of_entries", 80, 4, kMax32, ErrorKind::kLimit},
    {"number_of_entries", 80, 4, 8193, ErrorKind::kLimit},
    {"entries_crc32", 80, 4, 127},
    {"entries_crc32", 80, 4, 0},
    {"entry_size", 84, 4, 0},
    {"entry_size", 84, 4, 64},
    {"entry_size", 84, 4, 127},
    {"entry_size", 84, 4, 129},
    {"entry_size", 84, 4, 384},
    {"entry_size", 84, 4, kMax32},
    {"number_of_entries", 84, 4, std::uint64_t{1} << 31, ErrorKind::kLimit},
    {"entries_crc32", 88, 4, 0},
    {"entries_crc32", 88, 4, kMax32},
};

void Patch(std::byte* header, const Row& row) {
  if (row.width == 4) {
    StoreLe(header + row.offset, static_cast<std::uint32_t>(row.value));
  } else {
    StoreLe(header + row.offset, row.value);
  }
  FixHeaderCrc(header);
}

TEST(GptDamage, TheFieldIsNamedWhenBothCopiesAreDamaged) {
  for (const Row& row : kRows) {
    auto disk = Sound();
    Patch(Primary(disk), row);
    Wipe(disk, disk.size() - kSector, 8);
    const auto table = ReadPartitionTable(*Disk(disk));
    ASSERT_FALSE(table.ok());
    EXPECT_EQ(table.error().kind(), row.kind) << table.error().Describe();
    EXPECT_EQ(table.error().field(), row.field) << table.error().Describe();
  }
}

TEST(GptDamage, TheSecondCopyServesWhenTheFirstIsDamaged) {
  for (const Row& row : kRows) {
    auto disk = Sound();
    Patch(Primary(disk), row);
    const auto table = TableOf(disk);
    EXPECT_EQ(table.partitions.size(), 2U);
    EXPECT_THAT(table.findings, testing::ElementsAre(testing::HasSubstr("the first copy of the table")))
        << row.field << row.value;
  }
}

TEST(GptDamage, ChecksumsAreChecked) {
  for (const std::size_t at : {std::size_t{16}, std::size_t{60}}) {
    auto disk = Sound();
    Primary(disk)[at] ^= std::byte{1};
    Wipe(disk, disk.size() - kSector, kSector);
    const auto table = ReadPartitionTable(*Disk(disk));
    ASSERT_FALSE(table.ok());
    EXPECT_EQ(table.error().field(), "header_crc32");
  }
  auto disk = Sound();
  disk[2 * kSector + 200] ^= std::byte{1};  // an entry of the first copy
  const auto table = TableOf(disk);
  EXPECT_EQ(table.partitions.size(), 2U);
  EXPECT_THAT(table.findings, testing::ElementsAre(testing::HasSubstr("entries_crc32")));
}

TEST(GptDamage, AWipedFirstCopyIsNoDisaster) {
  auto disk = Sound();
  Wipe(disk, kSector, 33 * kSector);
  EXPECT_EQ(TableOf(disk).partitions.size(), 2U);
  Wipe(disk, disk.size() - kSector, kSector);
  // Only the MBR is left.
  const auto table = TableOf(disk);
  EXPECT_EQ(table.scheme, Scheme::kMbr);
  EXPECT_THAT(table.findings, testing::ElementsAre(testing::HasSubstr("but there is none")));
}

TEST(GptDamage, ADamagedSecondCopyIsAFinding) {
  auto disk = Sound();
  Backup(disk)[60] ^= std::byte{1};
  EXPECT_THAT(TableOf(disk).findings, testing::ElementsAre(testing::HasSubstr("the second copy of the table")));
}

TEST(GptDamage, AGrownDiskAndACutOneAreFindings) {
  auto disk = Sound();
  disk.resize(disk.size() + (1 << 20));
  EXPECT_THAT(TableOf(disk).findings, testing::ElementsAre(testing::HasSubstr("not in the last one")));
  disk.resize(12 << 20);
  EXPECT_THAT(TableOf(disk).findings, testing::ElementsAre(testing::HasSubstr("past the disk's end")));
  disk.resize(2 << 20);
  EXPECT_THAT(TableOf(disk).findings, testing::Contains(testing::HasSubstr("partition 2 ends at")));
}

TEST(GptDamage, WithoutItsProtectiveMbr) {
  auto disk = Sound();
  Wipe(disk, 0, kSector);
  EXPECT_THAT(TableOf(disk).findings, testing::ElementsAre("no protective MBR"));
}

struct EntryRow {
  std::size_t offset;
  std::uint64_t value;
};

TEST(GptDamage, PartitionsOutsideTheUsableSectorsAreLeftOut) {
  for (const EntryRow& row : {EntryRow{32, 0}, EntryRow{32, kMax64}, EntryRow{40, 0}, EntryRow{40, kMax64},
                              EntryRow{40, 32767}, EntryRow{32, 33}}) {
    auto disk = Sound();
    StoreLe(disk.data() + 2 * kSector + row.offset, row.value);
    StoreLe(Primary(disk) + 88, Crc(disk.data() + 2 * kSector, 128 * 128));
    FixHeaderCrc(Primary(disk));
    const auto table = TableOf(disk);
    EXPECT_EQ(table.partitions.size(), 1U) << row.offset << " " << row.value;
    EXPECT_THAT(table.findings, testing::Contains(testing::HasSubstr("left out")));
  }
}

TEST(GptDamage, EveryLengthIsSafe) {
  for (std::size_t size = 0; size <= 40 * kSector; size += 171) {
    auto disk = Sound();
    disk.resize(size);
    const auto table = ReadPartitionTable(*Disk(disk));
    EXPECT_TRUE(table.ok() || table.error().kind() == ErrorKind::kCorrupt) << table.error().Describe();
  }
}

}  // namespace
}  // namespace platter::partition
