// `platter amazon split` on disks of many shapes. The tree is a root file system in small: what makes it one, and two
// kernels, cut to their first part.
#include <fmt/format.h>

#include <filesystem>

#include "tests/amazon/files.h"
#include "tests/support/digest.h"

namespace platter::amazon {
namespace {

constexpr std::string_view kSetUp =
    "mkdir -p t/etc t/bin t/sbin t/usr/bin t/boot; echo / >t/etc/fstab; head -c 30000 $LINUX "
    ">t/boot/vmlinuz-6.1.0-9-amd64; "
    "head -c 31000 $LINUX >t/boot/vmlinuz-6.1.0-10-amd64; echo old | gzip -n >t/boot/initrd.img-6.1.0-9-amd64; "
    "echo new | gzip -n >t/boot/initrd.img-6.1.0-10-amd64; cp t/boot/vmlinuz-6.1.0-9-amd64 t/boot/vmlinuz-7.old; "
    "fs() { name=$1; shift; truncate -s 6M $name; mke2fs -q -F \"$@\" $name; }; "
    "table() { truncate -s $1 disk; sfdisk -q disk; }; "
    "put() { dd if=$1 of=disk bs=1M seek=$2 conv=notrunc,sparse status=none; }; ";

class SplitTest : public testing::Test {
 protected:
  SplitTest() { Shell(std::string(kSetUp)); }

  void Shell(const std::string& script) {
    test::MustRun(
        {"sh", "-ec",
         std::string("export LC_ALL=C PATH=$PATH:/sbin:/usr/sbin LINUX=") + DebianInstaller("linux") + "; " + script},
        Here());
  }
  // With the functions of kSetUp at hand.
  void Make(const std::string& script) {
    const auto functions = kSetUp.substr(kSetUp.find("fs() "));
    Shell(std::string(functions) + script);
  }
  test::CommandOptions Here() const {
    return {.folder = folder_.path().string(), .environment = {}, .merge_streams = false};
  }
  test::CommandResult Split(const std::string& arguments) {
    return test::RunCommand({"sh", "-c", std::string(PLATTER_TOOL " amazon split ") + arguments}, Here());
  }
  void ExpectSplit(const std::string& arguments) {
    const auto result = Split("--force -d out " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
  }
  void ExpectSame(const std::string& a, const std::string& b) {
    EXPECT_EQ(test::Sha256OfFile(folder_.File(a)), test::Sha256OfFile(folder_.File(b))) << a << " " << b;
  }
  void ExpectNewest() {
    ExpectSame("out.aki", "t/boot/vmlinuz-6.1.0-10-amd64");
    ExpectSame("out.ari", "t/boot/initrd.img-6.1.0-10-amd64");
  }
  bool There(const std::string& name) const { return std::filesystem::exists(folder_.File(name)); }

  test::TempDir folder_;
};

TEST_F(SplitTest, AnUnpartitionedDisk) {
  for (const char* type : {"ext2", "ext3", "ext4"}) {
    Make(fmt::format("fs disk -t {} -d t", type));
    ExpectSplit("disk");
    ExpectSame("out.ami", "disk");
    ExpectNewest();
  }
}

TEST_F(SplitTest, PartitionsInEveryTableAndFormat) {
  Make("fs root -t ext4 -d t; printf 'label: dos\\n2048,12288,83\\n' | table 8M; put root 1");
  for (const char* format : {"qcow2", "vmdk", "vpc", "vdi", "vhdx"}) {
    Make(fmt::format("qemu-img convert -f raw -O {} disk disk.{}", format, format));
  }
  ExpectSplit("disk");
  ExpectSame("out.ami", "root");
  ExpectNewest();
  ExpectSplit("disk.qcow2");
  ExpectSame("out.ami", "root");
  ExpectNewest();
  Make("rm disk; printf 'label: gpt\\nstart=2048,size=12288,type=L\\n' | table 9M; put root 1");
  ExpectSplit("disk");
  ExpectSame("out.ami", "root");
  Make("rm disk; printf 'label: dos\\n2048,,5\\n4096,12288,83\\n' | table 12M; put root 2");
  ExpectSplit("disk");
  ExpectSame("out.ami", "root");
}

TEST_F(SplitTest, TheAmiKeepsItsHoles) {
  Make("truncate -s 200M disk; mke2fs -q -F -d t disk");
  ExpectSplit("disk");
  ExpectSame("out.ami", "disk");
  struct Space {
    static std::string Of(const std::string& path) {
      return test::MustRun({"sh", "-c", "du -k \"$0\" | cut -f1", path});
    }
  };
  EXPECT_LT(std::stoi(Space::Of(folder_.File("out.ami"))), 20000);
}

TEST_F(SplitTest, ABootPartitionOfItsOwn) {
  Make(
      "mkdir b; mv t/boot/* b/; fs boot -d b; fs root -d t; ln -s boot/vmlinuz-6.1.0-9-amd64 t/vmlinuz; "
      "printf 'label: gpt\\nstart=2048,size=12288,type=L\\nsize=12288,type=L\\n' | table 16M; put boot 1; put root 7");
  const auto result = Split("-d out disk");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, testing::HasSubstr("out.ami: partition 2"));
  EXPECT_THAT(result.out, testing::HasSubstr("/vmlinuz-6.1.0-10-amd64 of partition 1"));
  ExpectSame("out.ami", "root");
  ExpectSame("out.aki", "b/vmlinuz-6.1.0-10-amd64");
}

TEST_F(SplitTest, ANamedKernel) {
  Make("fs disk -d t");
  for (const char* name : {"6.1.0-9-amd64", "vmlinuz-6.1.0-9-amd64", "/boot/vmlinuz-6.1.0-9-amd64"}) {
    ExpectSplit(fmt::format("--kernel {} disk", name));
    ExpectSame("out.aki", "t/boot/vmlinuz-6.1.0-9-amd64");
    ExpectSame("out.ari", "t/boot/initrd.img-6.1.0-9-amd64");
  }
  const auto result = Split("--force -d other --kernel 5.10 disk");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("there is no kernel '5.10'"));
  EXPECT_TRUE(There("other.ami"));
  EXPECT_FALSE(There("other.aki"));
}

TEST_F(SplitTest, LinksServeWhereNoNameHasAVersion) {
  Make(
      "mkdir t/images; mv t/boot/vmlinuz-6.1.0-10-amd64 t/images/k; mv t/boot/initrd.img-6.1.0-10-amd64 t/images/i; "
      "rm t/boot/*; ln -s images/k t/vmlinuz; ln -s images/i t/initrd.img; fs disk -d t");
  ExpectSplit("disk");
  ExpectSame("out.aki", "t/images/k");
  ExpectSame("out.ari", "t/images/i");
}

TEST_F(SplitTest, AKernelAlone) {
  Make("rm t/boot/initrd*; fs disk -d t; echo stale >out.ari");
  const auto result = Split("--force -d out disk");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, testing::HasSubstr("has no initial ramdisk beside it"));
  EXPECT_FALSE(There("out.ari"));
}

TEST_F(SplitTest, OtherFileSystemsGiveAnAmiOnly) {
  Make("truncate -s 300M disk; mkfs.xfs -q disk");
  const auto result = Split("-d out disk");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("kernels are read out of ext file systems only"));
  ExpectSame("out.ami", "disk");
  EXPECT_FALSE(There("out.aki"));
}

TEST_F(SplitTest, AnXfsRootWithAnExtBoot) {
  Make(
      "mkdir b; mv t/boot/* b/; fs boot -d b; truncate -s 300M root; mkfs.xfs -q root; "
      "printf 'label: gpt\\nstart=2048,size=12288,type=L\\nsize=614400,type=L\\n' | table 310M; put boot 1; put root "
      "7");
  ExpectSplit("disk");
  ExpectSame("out.ami", "root");
  ExpectSame("out.aki", "b/vmlinuz-6.1.0-10-amd64");
}

TEST_F(SplitTest, TwoRootsNeedAWord) {
  Make(
      "fs root -d t; printf 'label: gpt\\nstart=2048,size=12288,type=L\\nsize=12288,type=L\\n' | table 16M; "
      "put root 1; put root 7");
  const auto result = Split("-d out disk");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("partition 1 (ext2), partition 2 (ext2); say which one with --partition"));
  EXPECT_FALSE(There("out.ami"));
  ExpectSplit("--partition 2 disk");
  ExpectNewest();
  // The partition's type says so, too.
  Make("sfdisk -q --part-type disk 2 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
  ExpectSplit("disk");
}

TEST_F(SplitTest, Refusals) {
  Make(
      "fs disk -d t; truncate -s 1M empty; cp disk out.aki; truncate -s 3M cut; dd if=disk of=cut bs=1M count=3 "
      "conv=notrunc status=none; cp disk self.ami; ln -s self.ami link.ami");
  struct Row {
    const char* arguments;
    const char* message;
  };
  constexpr Row kRows[] = {
      {"-d out disk", "'out.aki' is there already; --force replaces it"},
      {"-d new empty", "holds no file system that we know"},
      {"-d new --partition 1 disk", "the disk has no partition table"},
      {"-d new cut", "the file system is larger than its place"},
      {"-d new --partition 0 disk", "Invalid partition number '0'"},
      {"-d new --partition x disk", "Invalid partition number 'x'"},
      {"-d new", "Expecting one image file name"},
      {"disk", "Expecting -d"},
      {"-d new nowhere", "No such file"},
      {"-d new --bogus disk", "unrecognized option '--bogus'"},
      {"-d nowhere/new disk", "No such file"},
      {"--force -d self self.ami", "is the disk itself"},
      {"--force -d link self.ami", "is the disk itself"},
  };
  for (const Row& row : kRows) {
    const auto result = Split(row.arguments);
    EXPECT_EQ(result.exit_code, 1) << row.arguments;
    EXPECT_THAT(result.err, testing::HasSubstr(row.message)) << row.arguments;
    EXPECT_FALSE(There("new.ami") || There("new.aki") || There("new.ari")) << row.arguments;
  }
  ExpectSame("self.ami", "disk");
}

TEST_F(SplitTest, AJournalThatWasNotReplayedIsSaid) {
  Make("fs disk -t ext4 -d t; debugfs -w -R 'feature needs_recovery' disk >log 2>&1");
  const auto result = Split("-q -d out disk");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("warning: the journal of the file system with /boot/vmlinuz"));
}

TEST_F(SplitTest, QemuImgHasNoSuchVerb) {
  std::filesystem::create_symlink(PLATTER_TOOL, folder_.File("qemu-img"));
  const auto result = test::RunCommand({"./qemu-img", "amazon", "split"}, Here());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::HasSubstr("Command not found: amazon"));
}

}  // namespace
}  // namespace platter::amazon
