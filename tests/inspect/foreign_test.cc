// What other programs unpack or look into is never taken for the bytes of a disk, and disks are not taken for it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/inspect/inspections.h"
#include "tests/support/temp_dir.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

using namespace std::string_view_literals;
using inspect::Depth;
using inspect::Verdict;

struct Content {
  const char* name;
  Bytes bytes;
  const char* container = "bare";
};

// The mark, and bytes as they may follow it.
Bytes Starts(std::string_view mark) { return With(Bytes(100000, std::byte{'x'}), 0, mark); }

std::vector<Content> Wrapped() {
  const std::string digits = "070707" + std::string(70, '1');
  return {
      {"lzma", Starts("\x5D\0\0\x80\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\4"sv), "compressed"},
      {"lzma of a known size", Starts("\x5D\0\0\xC0\0\0\0\x10\0\0\0\0\0\0\4"sv), "compressed"},
      {"compress", Starts("\x1F\x9D\x90"), "compressed"},
      {"lzop", Starts("\x89LZO\0\r\n\x1A\n\x10\x30"sv), "compressed"},
      {"lzip", Starts("LZIP\x01\x0C"), "compressed"},
      {"WIM", Starts("MSWIM\0\0\0\xD0\0\0\0"sv), "compressed"},
      {"xar", Starts("xar!\0\x1C\0\x01\0\0"sv), "compressed"},
      {"lha", Starts("\x24\x53-lh5-"), "compressed"},
      {"cabinet", Starts("MSCF\0\0\0\0"sv), "compressed"},
      {"rar", Starts("Rar!\x1A\x07\x01"), "compressed"},
      {"Android's sparse image", Starts("\x3A\xFF\x26\xED\x01\0\0\0\x1C\0\x0C\0"sv), "compressed"},
      {"the only part of a divided zip", Starts("PK00PK\x03\x04"), "compressed"},
      {"the first part of a divided zip", Starts("PK\x07\x08PK\x03\x04"), "compressed"},
      {"an empty zip", With(Bytes(22), 0, "PK\x05\x06"), "compressed"},
      {"a program in front of a zip", With(Starts("MZ"), 100000, Zip()), "compressed"},
      {"ar", Starts("!<arch>\ndebian-binary   "), "ar"},
      {"cpio odc", Starts(digits), "cpio"},
      {"cpio bin", Starts("\xC7\x71\0\0\0\0\xA4\x81\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0a\0"sv), "cpio"},
      {"cpio bin of other hosts", Starts("\x71\xC7\0\0\0\0\x81\xA4\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0a\0"sv), "cpio"},
  };
}

TEST(Foreign, WrappingsAreNoDisks) {
  inspect::Options raw;
  ASSERT_TRUE(inspect::SetPolicyValue(raw.policy, "expect_disk", "raw").ok());
  for (const Content& wrapped : Wrapped()) {
    const inspect::Report report = InspectBytes(wrapped.bytes, raw, Depth::kStreaming);
    EXPECT_NE(FindCode(report, "container.not_inspected"), nullptr) << wrapped.name << "\n" << Text(report);
    EXPECT_EQ(report.container, wrapped.container) << wrapped.name;
    EXPECT_EQ(report.verdict, Verdict::kRefused) << wrapped.name;
    EXPECT_EQ(InspectBytes(wrapped.bytes, raw, Depth::kFull).verdict, Verdict::kRefused) << wrapped.name;
    for (const std::size_t piece : {std::size_t{511}, std::size_t{65536}}) {
      EXPECT_EQ(Text(InspectStream(wrapped.bytes, raw, piece)), Text(report)) << wrapped.name;
    }
  }
}

// Nearly the marks above, in places where disks have such bytes.
std::vector<Content> Disks() {
  constexpr std::size_t kDisk = 8 << 20;
  constexpr std::size_t kPartition = 1 << 20;
  const Bytes zip = Zip();
  // A whole LUKS disk of version 2 in a partition.
  const Bytes encrypted =
      With(With(Bytes(kDisk), kPartition, "LUKS\xBA\xBE\0\2"sv), kPartition + 0x4000, SecondLuksHeader(0x4000));
  return {
      {"zeros", Bytes(kDisk)},
      {"a partition with LUKS", encrypted},
      {"a boot sector of DOS", With(Bytes(kDisk), 0, "\xEB\x3C\x90MSDOS5.0"sv)},
      {"a boot sector of syslinux", With(Bytes(kDisk), 0, "\x33\xC0\xFA\x8E\xD8\x8E\xD0\xBC\0\x7C\x89\xE6"sv)},
      {"numbers in front", With(Bytes(kDisk), 0, "\0\0\0\1\0\0\0\0\0\0\0\0\0\0"sv)},
      {"small numbers in front", With(Bytes(kDisk), 0, "\1\0\0\0\2\0\0\0\3\0\0\0\0\0"sv)},
      {"a zip in the middle", With(Bytes(kDisk), kPartition, zip)},
      {"a zip in the last block", With(Bytes(kDisk), kDisk - 4096, zip)},
      {"the end of a zip's last record", With(Bytes(kDisk), kDisk - 22, "PK\5\6\0\0\0\0\1\0\1\0\x2F\0\0\0"sv)},
      {"a record with another length of its comment", With(Bytes(kDisk), kDisk - zip.size() - 1, zip)},
      {"an XFS file system", With(Bytes(kDisk), 0, "XFSB\0\0\x10\0\0\0\0\0\0\2\0\0"sv)},
  };
}

TEST(Foreign, DisksAreNoWrappings) {
  for (const Content& disk : Disks()) {
    for (const Depth depth : {Depth::kStreaming, Depth::kFull}) {
      const inspect::Report report = InspectBytes(disk.bytes, {}, depth);
      EXPECT_EQ(report.verdict, Verdict::kAccepted) << disk.name << "\n" << Text(report);
    }
    EXPECT_EQ(InspectStream(disk.bytes, {}, 65536).verdict, Verdict::kAccepted) << disk.name;
  }
}

// What lies far inside of what is unpacked is looked for while it comes by, too.
TEST(Foreign, CompressedDisksAreLookedAtOnTheWay) {
  inspect::Options options;
  ASSERT_TRUE(inspect::ReadPolicy("expect_container = compressed\nallow_formats = raw, luks\n", options.policy).ok());
  for (const std::uint64_t place : {0x100000U, 0x400000U}) {
    const Bytes disk = With(Bytes(8 << 20), place, SecondLuksHeader(place));
    const TempDir dir;
    SaveFile(disk, dir.File("disk"));
    const Bytes packed = MadeBy({{"sh", "-c", "gzip < " + dir.File("disk") + " > image"}});
    for (const std::size_t piece : {std::size_t{511}, std::size_t{1} << 24}) {
      const inspect::Report report = InspectStream(packed, options, piece);
      EXPECT_NE(FindCode(report, "luks.encrypted"), nullptr) << place << "\n" << Text(report);
      EXPECT_EQ(report.verdict, Verdict::kRefused);
    }
    EXPECT_EQ(InspectBytes(packed, options, Depth::kFull).verdict, Verdict::kRefused);
  }
}

}  // namespace
}  // namespace platter::test
