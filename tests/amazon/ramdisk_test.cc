// Initial ramdisks: made by cpio and the compressors, Debian's, and archives with one field wrong.
#include "formats/amazon/ramdisk.h"

#include <fmt/format.h>

#include "formats/amazon/compression.h"
#include "formats/amazon/cpio.h"
#include "tests/amazon/files.h"

namespace platter::amazon {
namespace {

std::optional<Ramdisk> Read(std::vector<std::byte> bytes) {
  auto ramdisk = RecogniseRamdisk(*File(std::move(bytes)));
  EXPECT_TRUE(ramdisk.ok());
  return ramdisk.ok() ? ramdisk.value() : std::nullopt;
}

Ramdisk Recognise(std::vector<std::byte> bytes) {
  auto ramdisk = Read(std::move(bytes));
  EXPECT_TRUE(ramdisk.has_value());
  return ramdisk.value_or(Ramdisk{});
}

constexpr std::string_view kTree =
    "mkdir -p t/kernel/x86/microcode t/bin; echo data >t/kernel/x86/microcode/a.bin; head -c 100000 /bin/sh >t/bin/sh; "
    "pack() { (cd t && find . | LC_ALL=C sort | cpio -o --quiet --reproducible -R 0:0 \"$@\"); }; ";

std::vector<std::byte> Made(const std::string& script) { return MadeBy(std::string(kTree) + script); }

struct Row {
  const char* name;
  const char* script;
  const char* type;
  const char* compression;
};

constexpr Row kRows[] = {
    {"Newc", "pack -H newc >out", "newc", ""},
    {"Crc", "pack -H crc >out", "crc", ""},
    {"Gzip", "pack -H newc | gzip -9n >out", "newc", "gzip"},
    {"Bzip2", "pack -H newc | bzip2 >out", "newc", "bzip2"},
    {"Xz", "pack -H newc | xz --check=crc32 >out", "newc", "xz"},
    {"Lzma", "pack -H newc | xz --format=lzma >out", "newc", "lzma"},
    {"LzmaBest", "pack -H newc | xz --format=lzma -9e >out", "newc", "lzma"},
    {"Lz4", "pack -H newc | lz4 -q >out", "newc", "lz4"},
    {"Lz4Legacy", "pack -H newc | lz4 -q -l >out", "newc", "lz4"},
    {"Zstd", "pack -H newc | zstd -q >out", "newc", "zstd"},
    {"ZstdLargestWindow", "pack -H newc | zstd -q --ultra -22 --long=27 >out", "newc", "zstd"},
    {"CrcZstd", "pack -H crc | zstd -q -19 >out", "crc", "zstd"},
};

class ByCpio : public testing::TestWithParam<Row> {};

TEST_P(ByCpio, IsRecognised) {
  const Ramdisk ramdisk = Recognise(Made(GetParam().script));
  ASSERT_EQ(ramdisk.archives.size(), 1U);
  EXPECT_EQ(ramdisk.archives[0].type, GetParam().type);
  EXPECT_EQ(ramdisk.archives[0].compression, GetParam().compression);
  EXPECT_EQ(ramdisk.archives[0].first_name, ".");
  EXPECT_THAT(ramdisk.findings, testing::IsEmpty());
  EXPECT_EQ(ramdisk.archives[0].files, GetParam().compression[0] == 0 ? 7U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Ramdisk, ByCpio, testing::ValuesIn(kRows),
                         [](const auto& instance) { return instance.param.name; });

TEST(Ramdisk, WhatTheKernelDoesNotUnpackIsNone) {
  EXPECT_FALSE(Read(Made("pack -H odc >out")));
  EXPECT_FALSE(Read(Made("pack -H bin >out")));
  EXPECT_FALSE(Read(Made("tar -cf out t")));
  EXPECT_FALSE(Read(Made("tar -cf - t | gzip >out")));
  EXPECT_FALSE(Read(Made("gzip -c </bin/sh >out")));
  EXPECT_FALSE(Read({}));
  EXPECT_FALSE(Read(BytesOf("070701")));
  EXPECT_FALSE(Read(std::vector<std::byte>(65536)));
}

TEST(Ramdisk, DebianInstallers) {
  const Ramdisk ramdisk = Recognise(ReadFile(DebianInstaller("initrd.gz")));
  ASSERT_EQ(ramdisk.archives.size(), 1U);
  EXPECT_EQ(ramdisk.archives[0].compression, "gzip");
}

// As initramfs-tools does it: the microcode uncompressed in front.
TEST(Ramdisk, SeveralArchivesInARow) {
  for (const char* padding : {"0", "4", "508", "4096"}) {
    const Ramdisk ramdisk = Recognise(
        Made(fmt::format("pack -H newc >out; head -c {} /dev/zero >>out; pack -H newc | zstd -q >>out", padding)));
    ASSERT_EQ(ramdisk.archives.size(), 2U) << padding;
    EXPECT_EQ(ramdisk.archives[0].compression, "");
    EXPECT_EQ(ramdisk.archives[0].files, 7U);
    EXPECT_EQ(ramdisk.archives[1].compression, "zstd");
    EXPECT_EQ(ramdisk.archives[1].offset % 4, 0U);
  }
  const Ramdisk three = Recognise(Made("pack -H newc >a; pack -H crc >b; cat a b a >out"));
  ASSERT_EQ(three.archives.size(), 3U);
  EXPECT_EQ(three.archives[1].type, "crc");
  EXPECT_THAT(three.reason, testing::StartsWith("cpio (newc) at 0, then cpio (crc) at "));
}

TEST(Ramdisk, WhatFollowsMustBeAnArchive) {
  EXPECT_THAT(Recognise(Made("pack -H newc >out; echo what is this >>out")).findings,
              testing::ElementsAre(testing::HasSubstr("is no archive")));
  EXPECT_THAT(Recognise(Made("pack -H newc >out; gzip -c </bin/sh >>out")).findings,
              testing::ElementsAre(testing::HasSubstr("is no archive")));
}

TEST(Ramdisk, ManyArchivesAreCut) {
  EXPECT_EQ(Recognise(Made("rm -r t/*; pack -H newc >a; for i in $(seq 40); do cat a; done >out")).archives.size(),
            kMaxArchives);
}

// A header as the format wants it, but for the field that is given as text.
std::string Header(std::size_t field, const std::string& text, const std::string& name = "a") {
  std::string header = "070701";
  for (std::size_t at = 0; at < 13; ++at) {
    std::string value = "00000000";
    if (at == 1) value = "000081A4";
    if (at == 11) value = fmt::format("{:08X}", name.size() + 1);
    header += at == field ? text : value;
  }
  header += name;
  return header + std::string(4 - header.size() % 4, '\0');
}

struct Bad {
  std::size_t field;
  const char* text;
  const char* finding;
};

TEST(Ramdisk, HeaderFields) {
  constexpr std::size_t kNone = 99;
  constexpr Bad kBad[] = {
      {0, "0000000g", "c_ino"},       {1, "        ", "c_mode"},      {5, "+0000001", "c_mtime"},
      {6, "FFFFFFFF", "truncated"},   {6, "00000100", "truncated"},   {6, "0x000001", "c_filesize"},
      {6, "-0000001", "c_filesize"},  {11, "00000000", "c_namesize"}, {11, "00000001", "c_namesize"},
      {11, "00001001", "c_namesize"}, {11, "FFFFFFFF", "c_namesize"}, {12, "\n\n\n\n\n\n\n\n", "c_check"},
  };
  const std::string sound = Header(kNone, "") + Header(kNone, "", "TRAILER!!!");
  EXPECT_THAT(Recognise(BytesOf(sound)).findings, testing::IsEmpty());
  for (const Bad& bad : kBad) {
    // In the first header it is chance, in a later one it is damage.
    EXPECT_FALSE(Read(BytesOf(Header(bad.field, bad.text)))) << bad.text;
    const Ramdisk ramdisk = Recognise(BytesOf(Header(kNone, "") + Header(bad.field, bad.text)));
    EXPECT_THAT(ramdisk.findings, testing::ElementsAre(testing::HasSubstr(bad.finding))) << bad.text;
  }
  EXPECT_THAT(Recognise(BytesOf(Header(kNone, "") + "070707 and more of it" + std::string(200, 'x'))).findings,
              testing::ElementsAre(testing::HasSubstr("c_magic")));
}

TEST(Ramdisk, EveryCutIsSafe) {
  const auto bytes = Made("rm -r t/bin; pack -H newc >out");
  for (std::size_t size = 0; size < bytes.size(); size += 7) (void)Read({bytes.begin(), bytes.begin() + size});
  const auto packed = Made("pack -H newc | xz >out");
  for (std::size_t size = 0; size < packed.size(); size += 997) (void)Read({packed.begin(), packed.begin() + size});
}

// Gigabytes of zeros behind a sound header: nobody unpacks them.
TEST(Compression, BombsAreNotUnpacked) {
  for (const char* tool : {"gzip -9", "xz -0", "zstd -q", "lz4 -q", "lz4 -q -l", "bzip2"}) {
    const auto bomb = MadeBy(std::string("head -c 64M /dev/zero | ") + tool + " >out");
    const auto compression = FindCompression(bomb);
    ASSERT_TRUE(compression) << tool;
    const auto inside = Decompress(*File(bomb), 0, *compression);
    ASSERT_TRUE(inside.ok());
    EXPECT_EQ(inside.value().size(), kMaxDecompressed) << tool;
  }
}

TEST(Compression, DamageGivesWhatIsThere) {
  for (const char* tool : {"gzip", "xz", "xz --format=lzma", "zstd -q", "lz4 -q", "lz4 -q -l", "bzip2"}) {
    auto bytes = MadeBy(std::string("head -c 60000 /bin/sh | ") + tool + " >out");
    const auto compression = FindCompression(bytes);
    ASSERT_TRUE(compression) << tool;
    const auto whole = Decompress(*File(bytes), 0, *compression);
    EXPECT_EQ(whole.value().size(), 60000U) << tool;
    for (std::size_t at = 4; at < bytes.size(); at += 211) {
      auto damaged = bytes;
      damaged[at] ^= std::byte{0x55};
      EXPECT_TRUE(Decompress(*File(damaged), 0, *compression).ok());
      damaged.resize(at);
      EXPECT_TRUE(Decompress(*File(damaged), 0, *compression).ok());
    }
  }
}

// A stream that wants a dictionary beyond our bound gives nothing.
TEST(Compression, WindowsAreBounded) {
  const auto bytes = MadeBy(
      "head -c 60000 /bin/sh | zstd -q --ultra --long=30 --single-thread --no-content-size "
      "--stream-size=2000000000 2>/dev/null >out || head -c 60000 /bin/sh | zstd -q --long=30 >out");
  const auto inside = Decompress(*File(bytes), 0, Compression::kZstd);
  ASSERT_TRUE(inside.ok());
  EXPECT_TRUE(inside.value().empty() || inside.value().size() == 60000U);
}

}  // namespace
}  // namespace platter::amazon
