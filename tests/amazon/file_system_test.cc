// File systems made by their own tools; dumpe2fs, xfs_db, btrfs and blkid must agree.
#include "formats/amazon/file_system.h"

#include "formats/core/bytes.h"
#include "tests/amazon/files.h"

namespace platter::amazon {
namespace {

FileSystem Recognise(const std::vector<std::byte>& bytes) {
  auto fs = RecogniseFileSystem(*File(bytes));
  if (!fs.ok() || !fs.value()) {
    ADD_FAILURE() << (fs.ok() ? "nothing recognised" : fs.error().Describe());
    return {};
  }
  return *fs.value();
}

bool Recognised(const std::vector<std::byte>& bytes) {
  const auto fs = RecogniseFileSystem(*File(bytes));
  EXPECT_TRUE(fs.ok());
  return fs.ok() && fs.value().has_value();
}

constexpr std::string_view kUuid = "01234567-89ab-cdef-0123-456789abcdef";

struct Row {
  const char* name;
  const char* make;  // leaves "out"
  const char* type;
  const char* label;
  bool has_uuid;
  std::uint64_t size;
  std::uint64_t block_size;
};

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr Row kRows[] = {
    {"Ext2", "truncate -s 8M out; mke2fs -q -t ext2 -L root -U $UUID out", "ext2", "root", true, 8 * kMiB, 1024},
    {"Ext3", "truncate -s 8M out; mke2fs -q -t ext3 -b 4096 -U $UUID out", "ext3", "", true, 8 * kMiB, 4096},
    {"Ext4", "truncate -s 8M out; mke2fs -q -t ext4 -L 0123456789abcdef -U $UUID out", "ext4", "0123456789abcdef", true,
     8 * kMiB, 1024},
    {"Ext4NoJournal", "truncate -s 8M out; mke2fs -q -t ext4 -O ^has_journal -U $UUID out", "ext4", "", true, 8 * kMiB,
     1024},
    {"Ext4Blocks2K", "truncate -s 9M out; mke2fs -q -t ext4 -b 2048 -O 64bit -U $UUID out", "ext4", "", true, 9 * kMiB,
     2048},
    {"Xfs", "truncate -s 320M big; mkfs.xfs -q -L boot -m uuid=$UUID big; head -c 1M big >out", "xfs", "boot", true,
     320 * kMiB, 4096},
    {"XfsV4",
     "truncate -s 320M big; mkfs.xfs -q -m crc=0 -b size=1024 big 2>/dev/null; xfs_admin -U $UUID big "
     ">/dev/null; head -c 1M big >out",
     "xfs", "", true, 320 * kMiB, 1024},
    {"Btrfs", "truncate -s 128M big; mkfs.btrfs -q -L data -U $UUID big; head -c 1M big >out", "btrfs", "data", true,
     128 * kMiB, 4096},
    {"Squashfs", "mkdir t; echo a >t/a; mksquashfs t out -quiet -comp zstd -b 64K -no-progress >/dev/null", "squashfs",
     "", false, 0, 65536},
};

class ByItsTool : public testing::TestWithParam<Row> {};

TEST_P(ByItsTool, IsRecognised) {
  const Row& row = GetParam();
  const auto bytes = MadeBy("UUID=" + std::string(kUuid) + "; " + row.make);
  const FileSystem fs = Recognise(bytes);
  EXPECT_EQ(fs.type, row.type);
  EXPECT_EQ(fs.label, row.label);
  EXPECT_EQ(fs.uuid, row.has_uuid ? kUuid : "");
  EXPECT_EQ(fs.size, row.size == 0 ? fs.size : row.size);
  EXPECT_LE(fs.size, std::max<std::uint64_t>(row.size, bytes.size()));
  EXPECT_EQ(fs.block_size, row.block_size);
  const bool cut = row.size > bytes.size();
  ASSERT_EQ(fs.findings.size(), cut ? 1U : 0U);
  EXPECT_TRUE(!cut || fs.findings.front().starts_with("truncated"));
}

INSTANTIATE_TEST_SUITE_P(FileSystem, ByItsTool, testing::ValuesIn(kRows),
                         [](const auto& instance) { return instance.param.name; });

// What dumpe2fs and blkid say about it.
TEST(FileSystem, Dumpe2fsAndBlkidAgree) {
  const test::TempDir folder;
  const std::string path = folder.File("fs");
  for (const char* type : {"ext2", "ext3", "ext4"}) {
    test::MustRun({"truncate", "-s", "16M", path});
    test::MustRun({"mke2fs", "-q", "-F", "-t", type, "-L", "a label", path});
    const FileSystem fs = Recognise(ReadFile(path));
    const std::string dump = test::MustRun({"sh", "-c", "PATH=$PATH:/sbin dumpe2fs -h \"$0\" 2>/dev/null", path});
    EXPECT_THAT(dump, testing::HasSubstr("Filesystem UUID:          " + fs.uuid));
    EXPECT_THAT(dump, testing::HasSubstr("Block count:              " + std::to_string(fs.size / fs.block_size)));
    const std::string blkid = test::MustRun({"sh", "-c", "PATH=$PATH:/sbin blkid -p -o export \"$0\"", path});
    EXPECT_THAT(blkid, testing::HasSubstr("TYPE=" + std::string(fs.type)));
    EXPECT_EQ(fs.label, "a label");
  }
}

struct Damage {
  std::size_t offset;
  std::size_t width;
  std::uint64_t value;
  const char* finding;  // null: no file system any more
};

std::vector<std::byte> Patched(std::vector<std::byte> bytes, const Damage& damage, bool big_endian) {
  for (std::size_t at = 0; at < damage.width; ++at) {
    const std::size_t shift = 8 * (big_endian ? damage.width - 1 - at : at);
    bytes[damage.offset + at] = static_cast<std::byte>(damage.value >> shift);
  }
  return bytes;
}

void ExpectDamages(const std::vector<std::byte>& sound, std::span<const Damage> damages, bool big_endian) {
  for (const Damage& damage : damages) {
    const auto bytes = Patched(sound, damage, big_endian);
    if (damage.finding == nullptr) {
      EXPECT_FALSE(Recognised(bytes)) << damage.offset << " " << damage.value;
    } else {
      EXPECT_THAT(Recognise(bytes).findings, testing::Contains(testing::HasSubstr(damage.finding)))
          << damage.offset << " " << damage.value;
    }
  }
}

constexpr std::uint64_t kMax = ~std::uint64_t{0};

TEST(FileSystem, ExtFields) {
  constexpr std::size_t kSuper = 1024;
  constexpr Damage kDamages[] = {
      {kSuper + 56, 2, 0, nullptr},
      {kSuper + 56, 2, 0xEF54, nullptr},
      {kSuper + 24, 4, 7, nullptr},
      {kSuper + 24, 4, kMax, nullptr},
      {kSuper + 76, 4, 2, nullptr},
      {kSuper + 76, 4, kMax, nullptr},
      {kSuper + 0, 4, 0, nullptr},
      {kSuper + 32, 4, 0, nullptr},
      {kSuper + 40, 4, 0, nullptr},
      {kSuper + 20, 4, 2, nullptr},
      {kSuper + 96, 4, 8, nullptr},
      {kSuper + 4, 4, 0, "s_blocks_count"},
      {kSuper + 4, 4, 0xFFFFFFFF, "truncated"},
      {kSuper + 4, 4, 8193, "truncated"},
  };
  const auto sound = MadeBy("truncate -s 8M out; mke2fs -q -t ext2 out");
  ExpectDamages(sound, kDamages, false);
  // With 64-bit block numbers, a count that no size can hold.
  auto huge = Patched(sound, {kSuper + 96, 4, 0x80 | 2, ""}, false);
  huge = Patched(huge, {kSuper + 336, 4, 0xFFFFFFFF, ""}, false);
  huge = Patched(huge, {kSuper + 24, 4, 6, ""}, false);
  EXPECT_THAT(Recognise(huge).findings, testing::Contains(testing::HasSubstr("are no size")));
}

TEST(FileSystem, XfsFields) {
  constexpr Damage kDamages[] = {
      {0, 4, 0x58465343, nullptr},     {4, 4, 0, "sb_blocksize"},    {4, 4, 256, "sb_blocksize"},
      {4, 4, 131072, "sb_blocksize"},  {4, 4, 4095, "sb_blocksize"}, {4, 4, kMax, "sb_blocksize"},
      {8, 8, kMax, "are no size"},     {8, 8, 1 << 20, "truncated"}, {100, 2, 0, "sb_versionnum"},
      {100, 2, 6, "sb_versionnum"},    {102, 2, 0, "sb_sectsize"},   {102, 2, 513, "sb_sectsize"},
      {102, 2, 0xFFFF, "sb_sectsize"},
  };
  ExpectDamages(MadeBy("truncate -s 320M big; mkfs.xfs -q big; head -c 4096 big >out"), kDamages, true);
}

TEST(FileSystem, BtrfsFields) {
  constexpr std::size_t kSuper = 65536;
  constexpr Damage kDamages[] = {
      {kSuper + 64, 8, 0, nullptr},
      {kSuper + 144, 4, 0, "sectorsize"},
      {kSuper + 144, 4, 2048, "sectorsize"},
      {kSuper + 144, 4, kMax, "sectorsize"},
      {kSuper + 148, 4, 0, "nodesize"},
      {kSuper + 148, 4, 4097, "nodesize"},
      {kSuper + 148, 4, 131072, "nodesize"},
      {kSuper + 48, 8, 0, "bytenr"},
      {kSuper + 48, 8, kMax, "bytenr"},
      {kSuper + 136, 8, 0, "num_devices"},
      {kSuper + 136, 8, 2, "one of 2 devices"},
      {kSuper + 112, 8, kMax, "truncated"},
  };
  ExpectDamages(MadeBy("truncate -s 128M big; mkfs.btrfs -q big; head -c 69632 big >out"), kDamages, false);
}

TEST(FileSystem, SquashfsFields) {
  constexpr Damage kDamages[] = {
      {0, 4, 0, nullptr},          {12, 4, 0, "block_size"},   {12, 4, kMax, "block_size"},
      {12, 4, 8192, "block_size"}, {22, 2, 11, "block_size"},  {22, 2, 21, "block_size"},
      {20, 2, 0, "compression"},   {20, 2, 7, "compression"},  {20, 2, 0xFFFF, "compression"},
      {28, 2, 3, "s_major"},       {40, 8, kMax, "truncated"},
  };
  ExpectDamages(MadeBy("mkdir t; echo a >t/a; mksquashfs t out -quiet -no-progress >/dev/null"), kDamages, false);
}

TEST(FileSystem, EveryLengthIsSafe) {
  const auto sound = MadeBy("truncate -s 8M out; mke2fs -q -t ext4 out");
  for (const std::size_t size : {0U, 1U, 511U, 1024U, 1082U, 2047U}) {
    EXPECT_FALSE(Recognised({sound.begin(), sound.begin() + size}));
  }
  EXPECT_THAT(Recognise({sound.begin(), sound.begin() + 2048}).findings, testing::SizeIs(1));
}

TEST(FileSystem, AHostsErrorIsAnError) {
  EXPECT_FALSE(Recognised(std::vector<std::byte>(1 << 20)));
  EXPECT_FALSE(Recognised(std::vector<std::byte>(1 << 20, std::byte{0xFF})));
}

}  // namespace
}  // namespace platter::amazon
