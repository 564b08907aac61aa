// `platter amazon join`: the disk's parts, byte by byte.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "formats/format_table.h"
#include "tests/amazon/joined_disk.h"
#include "tests/support/digest.h"

namespace platter::amazon {
namespace {

class JoinTest : public JoinedDisk {};

TEST_F(JoinTest, EveryPartIsInItsPlace) {
  ExpectJoined("--append 'quiet splash' disk");
  const std::string dump = Shell("sfdisk -d disk; sfdisk -q --verify disk >&2");
  EXPECT_THAT(dump, testing::HasSubstr("start=        2048, size=       65536, type=e, bootable"));
  EXPECT_THAT(dump, testing::HasSubstr("start=       67584, size=        6144, type=83"));
  Shell(
      "dd if=disk of=boot bs=1M skip=1 count=32 status=none; dd if=disk of=root bs=1M skip=33 count=3 status=none; "
      "fsck.fat -n boot >/dev/null; cmp root a.ami; e2fsck -fn root >/dev/null 2>&1; "
      "for f in vmlinuz:a.aki initrd.img:a.ari; do mcopy -n -i boot ::/${f%%:*} got; cmp got ${f##*:}; rm got; done; "
      "head -c 440 /usr/lib/syslinux/mbr/mbr.bin | cmp -n 440 - disk");
  const auto table = Shell("sfdisk -d disk | sed -n 's/^label-id: 0x//p'");
  EXPECT_THAT(Shell("mtype -i boot ::/syslinux.cfg"), testing::HasSubstr("APPEND root=PARTUUID=" + table.substr(0, 8) +
                                                                         "-02 ro console=tty0 console=ttyS0 quiet "
                                                                         "splash\n"));
  // Nothing is left of the files on the way.
  EXPECT_EQ(Shell("ls -d platter-* 2>/dev/null || true"), "");
}

TEST_F(JoinTest, TheSamePartsGiveTheSameDisk) {
  ExpectJoined("one");
  Shell("sleep 2.1");  // FAT counts time by two seconds
  ExpectJoined("two");
  EXPECT_EQ(Digest("one"), Digest("two"));
  const auto zone = test::RunCommand({"sh", "-c",
                                      "TZ=Asia/Tokyo SOURCE_DATE_EPOCH=1 LC_ALL=C.UTF-8 " PLATTER_TOOL
                                      " amazon join -q --ami a.ami --aki a.aki --ari a.ari three"},
                                     Here());
  EXPECT_EQ(zone.exit_code, 0) << zone.err;
  EXPECT_EQ(zone.out, "");
  EXPECT_EQ(Digest("one"), Digest("three"));
}

TEST_F(JoinTest, IntoEveryFormatThatCanBeWritten) {
  ExpectJoined("disk");
  for (const FormatDriver* driver : AllFormats()) {
    if (driver->create == nullptr || driver->qemu_name.empty() || driver->name == "iso") continue;
    ExpectJoined(fmt::format("-O {} disk.{}", driver->name, driver->name));
    Shell(fmt::format("{} compare -q -f raw -F {} disk disk.{}", PLATTER_TOOL, driver->name, driver->name));
  }
  ExpectJoined("-O qcow2 -c -o compression_type=zstd small");
  EXPECT_EQ(Shell("qemu-img compare -q -f raw -F qcow2 disk small"), "");
}

TEST_F(JoinTest, WhatIsSplitIsWhatWasJoined) {
  Shell(
      "mkdir t/boot; cp a.ari t/boot/initrd.img-1; cp a.aki t/boot/vmlinuz-1; truncate -s 20M a.ami; "
      "mke2fs -q -F -d t a.ami; qemu-img convert -f raw -O qcow2 -c a.ami a.qcow2");
  const auto joined = Join("--ami a.qcow2 --aki a.aki --ari a.ari -O qcow2 disk");
  EXPECT_EQ(joined.exit_code, 0) << joined.err;
  Shell(PLATTER_TOOL " amazon split -q -d out disk; cmp out.ami a.ami; cmp out.aki a.aki; cmp out.ari a.ari");
}

TEST_F(JoinTest, Refusals) {
  Shell("truncate -s 1M zeros; head -c 2000000 a.ami >cut; cp a.ami out; : >empty");
  auto arm = std::string(64, '\0') + std::string(4096, 'x');
  arm.replace(0, 2, "MZ").replace(16, 8, 8, '\0').replace(56, 4, "ARM\x64");
  std::ofstream(folder_.File("arm64"), std::ios::binary) << arm;
  struct Row {
    const char* arguments;
    const char* message;
  };
  constexpr Row kRows[] = {
      {"new", "Expecting --ami and --aki"},
      {"--ami a.ami new", "Expecting --ami and --aki"},
      {"--ami a.ami --aki a.aki", "Expecting one image file name"},
      {"--ami nowhere --aki a.aki new", "No such file"},
      {"--ami a.ami --aki nowhere new", "No such file"},
      {"--ami zeros --aki a.aki new", "the ami is no file system that we know"},
      {"--ami empty --aki a.aki new", "the ami is no file system that we know"},
      {"--ami cut --aki a.aki new", "the ami's file system is cut"},
      {"--ami a.ami --aki zeros new", "the aki is no kernel that we know"},
      {"--ami a.ami --aki arm64 new", "syslinux starts x86 kernels"},
      {"--ami a.ami --aki a.aki -O nonsense new", "Unknown file format 'nonsense'"},
      {"--ami a.ami --aki a.aki -o bogus=1 new", "Invalid parameter 'bogus'"},
      {"--ami out --aki a.aki out", "lock"},
      {"--ami a.ami --aki a.aki nowhere/new", "No such file"},
  };
  for (const Row& row : kRows) {
    const auto result = Join(row.arguments);
    EXPECT_EQ(result.exit_code, 1) << row.arguments;
    EXPECT_THAT(result.err, testing::HasSubstr(row.message)) << row.arguments;
    EXPECT_FALSE(std::filesystem::exists(folder_.File("new"))) << row.arguments;
  }
  EXPECT_EQ(Digest("out"), Digest("a.ami"));
}

TEST_F(JoinTest, AMissingProgramIsNamed) {
  const auto result = test::RunCommand(
      {"sh", "-c", "PATH=/nowhere exec " PLATTER_TOOL " amazon join --ami a.ami --aki a.aki new"}, Here());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("the program mformat, which is not there; install the package mtools"));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("new")));
}

}  // namespace
}  // namespace platter::amazon
