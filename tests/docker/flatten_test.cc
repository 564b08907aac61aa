// `platter docker flatten` beside umoci, e2fsck, dumpe2fs and debugfs.
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"
#include "tests/docker/bundle.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class Flatten : public Bundle {
 protected:
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.File(name), std::ios::binary) << bytes;
  }
};

TEST_F(Flatten, HoldsWhatUmociUnpacks) {
  MakeLayout();
  EXPECT_THAT(Shell("$platter docker flatten oci disk.raw"), HasSubstr("v1 of oci"));
  ExpectSound("disk.raw");
  // What debugfs reads out of it: names, links and content.
  Shell(
      "mkdir out; debugfs -R 'rdump / out' disk.raw >/dev/null 2>&1; rm -rf out/lost+found; "
      "cd ref/rootfs; find . ! -type b ! -type c ! -type p ! -type d -print0 | sort -z >../../names; "
      "find . -type l -printf '%P %l\\n' | sort >../../links; xargs -0 sha256sum -- <../../names >../../sums || true; "
      "cd ../../out; sha256sum --quiet -c ../sums; find . -type l -printf '%P %l\\n' | sort | cmp - ../links; "
      "find . ! -type b ! -type c ! -type p ! -type d -print0 | sort -z | cmp - ../names");
  EXPECT_THAT(Stat("disk.raw", "/bin/prog"), AllOf(HasSubstr("Mode:  04755"), HasSubstr("Links: 1 ")));
  EXPECT_THAT(Stat("disk.raw", "/etc/pipe"), HasSubstr("FIFO"));
  EXPECT_THAT(Stat("disk.raw", "/d"), AllOf(HasSubstr("Mode:  0700"), HasSubstr("user.folder (700)")));
  EXPECT_THAT(Stat("disk.raw", "/d/b"), HasSubstr("user.a (5) = \"hello\""));
  EXPECT_THAT(Stat("disk.raw", "/etc/hostname"), HasSubstr("mtime: 0x601a20f2:"));
  EXPECT_THAT(Stat("disk.raw", "/gone"), testing::Not(HasSubstr("Inode")));
  ASSERT_EQ(geteuid(), 0U) << "owners, devices and capabilities need root";
  EXPECT_THAT(Stat("disk.raw", "/bin/prog"), HasSubstr("security.capability"));
  EXPECT_THAT(Stat("disk.raw", "/kept/file"), ContainsRegex("User:  1000   Group: 70000"));
  EXPECT_THAT(Stat("disk.raw", "/dev/big"), HasSubstr("300:70000"));
  EXPECT_THAT(Stat("disk.raw", "/dev/null"), HasSubstr("01:03"));
}

TEST_F(Flatten, EveryKindOfArchiveGivesTheSame) {
  MakeLayout();
  Shell(
      "$platter docker flatten -q oci a.raw; tar -cf oci.tar -C oci .; $platter docker flatten -q oci.tar b.raw; "
      "$platter docker flatten -q oci/index.json c.raw; cmp a.raw b.raw; cmp a.raw c.raw");
  Shell(
      "skopeo --insecure-policy --tmpdir $PWD copy -q oci:oci:v1 docker-archive:d.tar:name:v1 >/dev/null; "
      "$platter docker flatten -q d.tar d.raw");
  ExpectSound("d.raw");
  Shell(
      "skopeo --insecure-policy --tmpdir $PWD copy -q --dest-compress --dest-compress-format zstd oci:oci:v1 dir:z "
      ">/dev/null; skopeo --insecure-policy --tmpdir $PWD copy -q dir:z oci:zstd:v1 >/dev/null; "
      "$platter docker flatten -q zstd z.raw");
  // The same but for the UUID, which is the manifest's.
  Shell(
      "for i in a d z; do debugfs -R 'ls -l -p /many' $i.raw 2>/dev/null >$i.list; debugfs -R 'cat /bin/prog' $i.raw "
      "2>/dev/null >$i.prog; done; test -s a.list; test -s a.prog; cmp a.list d.list; cmp a.list z.list; cmp a.prog "
      "d.prog; cmp a.prog z.prog");
}

TEST_F(Flatten, IntoEveryFormat) {
  MakeLayout();
  Shell("$platter docker flatten -q oci a.raw");
  for (const char* format :
       {"qcow2", "qcow2 -c", "vhd", "vhdx", "vmdk", "vdi", "ploop", "vmdk -o subformat=streamOptimized"}) {
    Shell(fmt::format("rm -rf a.out; $platter docker flatten -q -O {} oci a.out; $platter compare -q a.raw a.out",
                      format));
  }
  Shell(
      "$platter docker flatten -q oci /dev/stdout >taken; cmp a.raw taken; "
      "$platter docker flatten -q oci /dev/stdout | cat >piped; cmp a.raw piped");
  Shell(
      "$platter docker flatten -q -O ova oci a.ova; $platter convert -O raw a.ova b.raw; $platter compare a.raw b.raw");
}

TEST_F(Flatten, SizeAndLabel) {
  MakeLayout();
  Shell("$platter docker flatten -q --size 300M --label root oci a.raw");
  ExpectSound("a.raw");
  const std::string header = Shell("stat -c %s a.raw; dumpe2fs -h a.raw 2>/dev/null");
  EXPECT_THAT(header, HasSubstr("314572800\n"));
  EXPECT_THAT(header, HasSubstr("Filesystem volume name:   root\n"));
  EXPECT_THAT(header, HasSubstr("Block count:              76800\n"));
  EXPECT_THAT(header,
              HasSubstr("Filesystem features:      has_journal ext_attr resize_inode dir_index filetype extent "
                        "64bit flex_bg sparse_super large_file huge_file dir_nlink extra_isize metadata_csum\n"));
  EXPECT_THAT(header, HasSubstr("Total journal size:       16M\n"));
  // As mke2fs makes it.
  EXPECT_EQ(Shell("truncate -s 300M m.raw; mke2fs -q -t ext4 -b 4096 m.raw; dumpe2fs -h m.raw 2>/dev/null | "
                  "grep -E '^(Filesystem features|Reserved GDT|Blocks per group|Flex|Total journal|Inode size|Required|"
                  "Default dir|Reserved block count|Group desc)' >m; dumpe2fs -h a.raw 2>/dev/null | "
                  "grep -E '^(Filesystem features|Reserved GDT|Blocks per group|Flex|Total journal|Inode size|Required|"
                  "Default dir|Reserved block count|Group desc)' >a; diff a m"),
            "");
  for (const char* size : {"1M", "2M", "3M", "100"}) {
    const CommandResult small = Try(fmt::format("$platter docker flatten --size {} oci small.raw", size));
    EXPECT_EQ(small.exit_code, 1) << size;
    EXPECT_THAT(small.err, HasSubstr("file system, field size")) << size;
    EXPECT_THAT(Shell("ls"), testing::Not(HasSubstr("small.raw"))) << size;
  }
  EXPECT_THAT(Try("$platter docker flatten --label 0123456789abcdefg oci small.raw").err,
              HasSubstr("label is too long"));
  EXPECT_THAT(Try("$platter docker flatten --size x oci small.raw").err, HasSubstr("Invalid file system size"));
}

// Where 32 bits count no block any more, and further on no inode.
TEST_F(Flatten, VeryLargeSizes) {
  ImageText image;
  Write("a.tar", TarOf(image.Layout()));
  struct Row {
    const char* size;
    const char* blocks;
    const char* inodes;
    bool resize_inode;
  };
  constexpr Row kRows[] = {
      {"17592186040320", "4294967295", "1073741824", true},
      {"16T", "4294967296", "1073741824", false},
      {"17T", "4563402752", "1140850688", false},
      {"65T", "17448304640", "4293918720", false},
  };
  for (const Row& row : kRows) {
    Shell(fmt::format("$platter docker flatten -q --size {} a.tar /dev/stdout 2>errors | head -c 64M >head.raw",
                      row.size));
    const std::string header = Shell("dumpe2fs -h head.raw 2>/dev/null || true");
    EXPECT_THAT(header, HasSubstr(fmt::format("Block count:              {}\n", row.blocks)));
    EXPECT_THAT(header, HasSubstr(fmt::format("Inode count:              {}\n", row.inodes)));
    EXPECT_EQ(header.find(" resize_inode ") != std::string::npos, row.resize_inode) << row.size;
  }
}

// A quarter of the room is free, and at least 64 MiB; sizes around those where tables grow.
TEST_F(Flatten, FitsWhateverTheContent) {
  struct Row {
    int files;
    std::size_t bytes;
  };
  for (const Row& row : {Row{0, 0}, Row{1, 0}, Row{1, 150000000}, Row{9000, 1}, Row{20, 3000000}}) {
    ImageText image;
    std::vector<std::string> members;
    for (int number = 0; number < row.files; ++number) {
      members.push_back(
          TarMember({.name = fmt::format("d{}/f{}", number % 300, number), .content = std::string(row.bytes, 'x')}));
    }
    image.layers[0].tar = TarArchive(members);
    image.layers[0].stored = Gzip(image.layers[0].tar);
    image.layers[0].media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    Write("a.tar", TarOf(image.Layout()));
    Shell("rm -f a.raw; $platter docker flatten -q a.tar a.raw");
    ExpectSound("a.raw");
    const std::string free = Shell("dumpe2fs -h a.raw 2>/dev/null | sed -n 's/^Free blocks: *//p'");
    const std::uint64_t content = row.bytes * static_cast<std::uint64_t>(row.files) / 4096;
    EXPECT_GE(std::stoull(free), std::max<std::uint64_t>(content / 5, 15000)) << row.files << " " << row.bytes;
    EXPECT_LE(std::stoull(free), std::max<std::uint64_t>(content / 3, 24000)) << row.files << " " << row.bytes;
  }
}

// More extents than an inode holds, in a file system with copies of the superblock between them.
TEST_F(Flatten, LargeFilesInManyExtents) {
  Shell(
      "mkdir t; truncate -s 700M t/large; echo end >>t/large; tar -C t -cf l.tar large; gzip -1 l.tar -k; "
      "umoci init --layout oci; umoci new --image oci:v1; "
      "umoci raw add-layer --image oci:v1 l.tar >/dev/null 2>&1; $platter docker flatten -q oci a.raw");
  ExpectSound("a.raw");
  EXPECT_THAT(Stat("a.raw", "/large"), HasSubstr("Size: 734003204"));
  EXPECT_EQ(Shell("debugfs -R 'cat /large' a.raw 2>/dev/null | cmp - t/large"), "");
}

TEST_F(Flatten, ChoosesAmongImages) {
  ImageText one;
  one.tag = "one:v1";
  ImageText two;
  two.tag = "two:v2";
  two.layers = {SmallLayer("second", "2")};
  auto files = one.Both();
  const auto more = two.Saved();
  const std::string list = "[" + one.Both().back().second.substr(1, one.Both().back().second.size() - 2) + "," +
                           more.back().second.substr(1);
  files.pop_back();
  files.erase(std::remove_if(files.begin(), files.end(), [](const auto& file) { return file.first == "index.json"; }),
              files.end());
  files.insert(files.end(), more.begin(), more.end() - 1);
  files.emplace_back("manifest.json", list);
  Write("a.tar", TarOf(files));
  const CommandResult several = Try("$platter docker flatten a.tar a.raw");
  EXPECT_EQ(several.exit_code, 1);
  EXPECT_THAT(several.err, HasSubstr("say which with --image or --platform"));
  EXPECT_THAT(several.err, HasSubstr("1 (one:v1, linux/amd64), 2 (two:v2, linux/amd64)"));
  for (const char* name : {"2", "two:v2"}) {
    Shell(fmt::format("$platter docker flatten -q --image {} a.tar a.raw", name));
    EXPECT_EQ(Shell("debugfs -R 'cat /second' a.raw 2>/dev/null"), "2");
  }
  for (const char* options : {"--image 3", "--image three", "--image 1 --platform arm64", "--platform linux/arm64"}) {
    EXPECT_THAT(Try(fmt::format("$platter docker flatten {} a.tar a.raw", options)).err, HasSubstr("no image of that"));
  }
  Shell(
      "$platter docker flatten -q --image one:v1 --platform linux/amd64 a.tar a.raw; "
      "$platter docker flatten -q --image 1 --platform amd64 a.tar a.raw");
}

TEST_F(Flatten, HostileLayersAreRefusedAndLeaveNothing) {
  struct Row {
    std::string tar;
    const char* message;
  };
  const Row rows[] = {
      {TarArchive({TarMember({.name = "../../etc/passwd", .content = "x"})}), "leads out of the image"},
      {TarArchive({TarMember({.name = "a", .content = "", .type = '1', .link = "/etc/shadow"})}),
       "to what is not there"},
      {std::string(2048, 'x'), "checksum"},
      {TarArchive({TarMember({.name = "a", .content = std::string(999, 'x')})}).substr(0, 1024), "archive's end"},
      {TarArchive({TarMember({.name = "a", .content = "", .size_field = "77777777777"})}), "archive's end"},
      {TarArchive({TarPax({"SCHILY.xattr.user.a=" + std::string(5000, 'v')}), TarMember({.name = "a"})}),
       "extended attributes do not fit"},
  };
  for (const Row& row : rows) {
    ImageText image;
    image.layers[0].tar = row.tar;
    Write("a.tar", TarOf(image.Layout()));
    const CommandResult result = Try("$platter docker flatten a.tar a.raw");
    EXPECT_EQ(result.exit_code, 1) << row.message;
    EXPECT_THAT(result.err, HasSubstr(row.message));
    EXPECT_EQ(Shell("ls"), "a.tar\n") << row.message;
  }
  ImageText image;
  image.layers[0].diff_id = std::string(64, '0');
  Write("a.tar", TarOf(image.Layout()));
  EXPECT_THAT(Try("$platter docker flatten a.tar a.raw").err, HasSubstr("does not unpack to what the config says"));
  Write("a.tar", TarOf(ImageText().Layout()));
  EXPECT_THAT(Try("$platter docker flatten a.tar a.tar").err, HasSubstr("lock"));
  EXPECT_EQ(Shell("$platter docker flatten -q a.tar a.raw; debugfs -R 'cat /etc/motd' a.raw 2>/dev/null"), "hello");
}

TEST_F(Flatten, WhatExt4HasNoPlaceForIsSaid) {
  ImageText image;
  image.layers[0].tar = TarArchive({TarPax({"SCHILY.xattr.strange.a=b", "mtime=99999999999"}), TarMember({.name = "a"}),
                                    TarPax({"mtime=-99999999999"}), TarMember({.name = "b"})});
  Write("a.tar", TarOf(image.Layout()));
  const CommandResult result = Try("$platter docker flatten a.tar a.raw");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("1 extended attributes that ext4 has no place for"));
  EXPECT_THAT(result.err, HasSubstr("2 times before 1901 or after 2446"));
  ExpectSound("a.raw");
}

TEST_F(Flatten, DamagedAccessControlListsAreLeftOut) {
  constexpr std::string_view kLists[] = {"posix_acl_access=",
                                         "posix_acl_access=\2",
                                         {"posix_acl_default=\2\0\0", 21},
                                         {"posix_acl_access=\2\0\0\0\1", 22},
                                         "posix_acl_strange=a"};
  for (const std::string_view list : kLists) {
    ImageText image;
    image.layers[0].tar = TarArchive({TarPax({"SCHILY.xattr.system." + std::string(list)}), TarMember({.name = "a"})});
    Write("a.tar", TarOf(image.Layout()));
    const CommandResult result = Try("rm -f a.raw; $platter docker flatten a.tar a.raw");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("1 extended attributes that ext4 has no place for")) << list;
    ExpectSound("a.raw");
  }
}

TEST_F(Flatten, CommandLine) {
  EXPECT_THAT(Try("$platter docker").err, HasSubstr("Expecting what to do: flatten or wrap"));
  EXPECT_THAT(Try("$platter docker run").err, HasSubstr("'run' is not what docker does"));
  EXPECT_THAT(Try("$platter docker flatten a").err, HasSubstr("Expecting the archive and the file to write"));
  EXPECT_THAT(Try("$platter docker flatten nowhere a").err, HasSubstr("No such file"));
  EXPECT_THAT(Try("echo x >x; $platter docker flatten x a").err, HasSubstr("x: "));
  EXPECT_THAT(Shell("$platter docker --help"), HasSubstr("--platform"));
  EXPECT_EQ(Try("ln -s $platter qemu-img; ./qemu-img docker flatten a b").exit_code, 1);
}

}  // namespace
}  // namespace platter::test
