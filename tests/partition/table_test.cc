// Tables that sfdisk, fdisk and sgdisk made: we must list what `sfdisk -d` lists.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "formats/core/bytes.h"
#include "tests/partition/disk.h"

namespace platter::partition {
namespace {

// The lines of a dump that name partitions, as "1 : start=2048,size=20480,type=83,bootable".
std::vector<std::string> LinesOf(const std::string& dump) {
  std::vector<std::string> lines;
  std::istringstream in(dump);
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(" : start=");
    if (colon == std::string::npos) continue;
    const auto digits = line.find_last_not_of("0123456789", colon - 1) + 1;
    std::string rest = line.substr(colon);
    std::erase(rest, ' ');
    lines.push_back(line.substr(digits, colon - digits) + rest);
  }
  return lines;
}

std::vector<std::string> LinesOf(const PartitionTable& table) {
  std::vector<std::string> lines;
  for (const Partition& p : table.partitions) {
    std::string type = p.type.starts_with("0x") ? p.type.substr(p.type[2] == '0' ? 3 : 2) : p.type;
    const bool gpt = table.scheme != Scheme::kMbr;
    if (gpt) std::ranges::transform(type, type.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    std::string line = fmt::format("{}:start={},size={},type={}", p.number, p.offset / table.sector_size,
                                   p.length / table.sector_size, type);
    std::string id = p.id;
    std::ranges::transform(id, id.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    if (gpt) line += ",uuid=" + id;
    std::string name;  // as sfdisk writes what is not ASCII
    for (const char c : p.name)
      name += c < 0 ? fmt::format("\\x{:02x}", static_cast<unsigned char>(c)) : std::string(1, c);
    if (!name.empty()) line += ",name=\"" + name + "\"";
    if (p.bootable) line += gpt ? ",attrs=\"LegacyBIOSBootable\"" : ",bootable";
    lines.push_back(std::move(line));
  }
  return lines;
}

struct Row {
  const char* name;
  const char* script;
  Scheme scheme;
};

constexpr Row kRows[] = {
    {"MbrPrimary", "printf 'label: dos\\n2048,4096,83,*\\n8192,2048,82\\n' | sfdisk -q $0", Scheme::kMbr},
    {"MbrLogical", "printf 'label: dos\\n2048,2048,83\\n4096,,5\\n,2048,83\\n,2048,82\\n,2048,8e\\n' | sfdisk -q $0",
     Scheme::kMbr},
    {"Gpt",
     "printf 'label: gpt\\nstart=2048,size=2048,type=U,name=EFI\\nsize=4096,type=L,name=w\\303\\274rzel,"
     "attrs=LegacyBIOSBootable\\ntype=S\\n' | sfdisk -q $0",
     Scheme::kGpt},
    {"GptHoles", "sgdisk -Z -n 3:2048:+1M -n 7:0:+2M -t 7:8304 -c 7:root $0 >/dev/null", Scheme::kGpt},
    {"GptManyEntries", "sgdisk -o -S 512 -n 300:4096:+1M $0 >/dev/null 2>&1", Scheme::kGpt},
    {"Hybrid", "sgdisk -o -n 1:2048:+1M -n 2:0:+1M -h 1:2 $0 >/dev/null 2>&1", Scheme::kHybrid},
};

class ByOtherTools : public testing::TestWithParam<Row> {};

TEST_P(ByOtherTools, ListsWhatSfdiskLists) {
  std::string dump;
  const auto bytes = DiskMadeBy("16M", GetParam().script, &dump);
  const PartitionTable table = TableOf(bytes);
  EXPECT_EQ(table.scheme, GetParam().scheme);
  EXPECT_THAT(LinesOf(table), testing::ElementsAreArray(LinesOf(dump))) << dump;
  EXPECT_FALSE(table.partitions.empty());
  EXPECT_TRUE(table.findings.empty()) << table.findings.front();
}

INSTANTIATE_TEST_SUITE_P(Table, ByOtherTools, testing::ValuesIn(kRows),
                         [](const auto& instance) { return instance.param.name; });

TEST(Table, HybridNamesBothKinds) {
  const auto table = TableOf(DiskMadeBy("16M", kRows[5].script));
  ASSERT_EQ(table.mbr_partitions.size(), 3U);  // the protective one, too
  EXPECT_EQ(table.partitions.size(), 2U);
}

TEST(Table, SectorsOf4096Bytes) {
  const auto table =
      TableOf(DiskMadeBy("16M", "printf 'g\\nn\\n\\n\\n+4M\\nn\\n\\n\\n\\nw\\n' | fdisk -b 4096 $0 >/dev/null 2>&1"));
  EXPECT_EQ(table.sector_size, 4096U);
  ASSERT_EQ(table.partitions.size(), 2U);
  EXPECT_EQ(table.partitions[0].offset, std::uint64_t{1} << 20);
  EXPECT_EQ(table.partitions[0].length, std::uint64_t{4} << 20);
  EXPECT_TRUE(table.findings.empty());
}

TEST(Table, NoneOnAnEmptyDiskOrAFileSystem) {
  const auto none = [](const std::vector<std::byte>& bytes) {
    const auto table = ReadPartitionTable(*Disk(bytes));
    return table.ok() && !table.value();
  };
  EXPECT_TRUE(none({}));
  EXPECT_TRUE(none(std::vector<std::byte>(100)));
  EXPECT_TRUE(none(std::vector<std::byte>(1 << 20)));
  EXPECT_TRUE(none(DiskMadeBy("16M", "mkfs.fat $0 >/dev/null")));
  EXPECT_TRUE(none(DiskMadeBy("64M", "mkfs.fat -F 32 $0 >/dev/null")));
  EXPECT_TRUE(none(DiskMadeBy("4M", "mke2fs -q $0")));
  EXPECT_TRUE(none(DiskMadeBy("4M", "printf 'label: dos\\n' | sfdisk -q $0")));
}

TEST(Mbr, WhatIsNoBootFlagIsNoTable) {
  auto bytes = DiskMadeBy("4M", "printf 'label: dos\\n2048,2048,83\\n' | sfdisk -q $0");
  for (const int flag : {0x01, 0x7F, 0x81, 0xFF}) {
    bytes[446 + 16] = static_cast<std::byte>(flag);
    const auto table = ReadPartitionTable(*Disk(bytes));
    ASSERT_TRUE(table.ok());
    EXPECT_FALSE(table.value()) << flag;
  }
  bytes[446 + 16] = std::byte{0};
  bytes[511] = std::byte{0};
  EXPECT_FALSE(ReadPartitionTable(*Disk(bytes)).value());
}

TEST(Mbr, PartitionsThatOverlapOrLeaveTheDiskAreFindings) {
  const auto bytes = DiskMadeBy("4M", "printf 'label: dos\\n2048,2048,83\\n4096,2048,83\\n' | sfdisk -q $0");
  for (const std::uint32_t count : {0x7FFFFFFFU, 0xFFFFFFFFU, 6145U}) {
    auto patched = bytes;
    StoreLe(patched.data() + 446 + 12, count);
    const auto table = TableOf(patched);
    ASSERT_EQ(table.findings.size(), 2U);
    EXPECT_THAT(table.findings[0], testing::HasSubstr("past the disk's end"));
    EXPECT_THAT(table.findings[1], testing::HasSubstr("partitions 1 and 2 overlap"));
  }
  auto far = bytes;
  StoreLe(far.data() + 446 + 8, 0xFFFFFFFFU);
  StoreLe(far.data() + 446 + 12, 0xFFFFFFFFU);
  EXPECT_THAT(TableOf(far).findings, testing::Contains(testing::HasSubstr("past the disk's end")));
}

const std::vector<std::byte>& LogicalDisk() {
  static const auto kDisk = DiskMadeBy("16M", "printf 'label: dos\\n2048,,5\\n,2048,83\\n,2048,83\\n' | sfdisk -q $0");
  return kDisk;
}

TEST(Mbr, AChainThatComesBackEnds) {
  auto bytes = LogicalDisk();
  const std::size_t second = (2048 + TableOf(bytes).partitions.at(2).offset / 512 - 4096) * 512;
  // The second EBR links to the first one, the first to itself.
  const auto link = [&](std::size_t ebr, std::uint32_t to) {
    bytes[ebr + 462 + 4] = std::byte{5};
    StoreLe(bytes.data() + ebr + 462 + 8, to);
    StoreLe(bytes.data() + ebr + 462 + 12, 2048U);
  };
  link(second, 0);
  auto table = TableOf(bytes);
  EXPECT_EQ(table.partitions.size(), 3U);
  EXPECT_THAT(table.findings, testing::Contains(testing::HasSubstr("comes back to sector 2048")));
  link(2048 * 512, 0);
  table = TableOf(bytes);
  EXPECT_EQ(table.partitions.size(), 2U);
  EXPECT_THAT(table.findings, testing::Contains(testing::HasSubstr("comes back")));
}

TEST(Mbr, ALinkOutOfTheExtendedPartitionEndsTheChain) {
  for (const std::uint32_t to : {0xFFFFFFFFU, 0x10000000U, 30720U}) {
    auto bytes = LogicalDisk();
    StoreLe(bytes.data() + 2048 * 512 + 462 + 8, to);
    EXPECT_THAT(TableOf(bytes).findings, testing::Contains(testing::HasSubstr("leads out"))) << to;
  }
  auto bytes = LogicalDisk();
  bytes[2048 * 512 + 462 + 4] = std::byte{0x83};
  EXPECT_THAT(TableOf(bytes).findings, testing::Contains(testing::HasSubstr("leads out")));
  bytes[2048 * 512 + 510] = std::byte{0};
  EXPECT_THAT(TableOf(bytes).findings, testing::Contains(testing::HasSubstr("EBR at sector 2048 is damaged")));
  StoreLe(bytes.data() + 446 + 8, 0x7FFFFFFFU);
  EXPECT_THAT(TableOf(bytes).findings, testing::Contains(testing::HasSubstr("past the disk's end")));
}

TEST(Mbr, LongChainsAreCut) {
  std::vector<std::byte> bytes(1 << 20);
  const auto sector = [&](std::size_t lba) { return bytes.data() + lba * 512; };
  const auto slot = [&](std::byte* at, int type, std::uint32_t start, std::uint32_t count) {
    at[4] = static_cast<std::byte>(type);
    StoreLe(at + 8, start);
    StoreLe(at + 12, count);
  };
  StoreLe(sector(0) + 510, std::uint16_t{0xAA55});
  slot(sector(0) + 446, 5, 1, 2000);
  for (std::uint32_t ebr = 1; ebr < 1000; ++ebr) {
    StoreLe(sector(ebr) + 510, std::uint16_t{0xAA55});
    slot(sector(ebr) + 446, 0x83, 1000, 1);
    slot(sector(ebr) + 462, 5, ebr, 1);
  }
  const auto table = TableOf(bytes);
  EXPECT_EQ(table.partitions.size(), 1 + kMaxLogical);
  EXPECT_THAT(table.findings, testing::Contains(testing::HasSubstr("more than 256")));
}

}  // namespace
}  // namespace platter::partition
