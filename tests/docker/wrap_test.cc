// `platter docker wrap`: what it makes, skopeo copies and umoci unpacks; and it is what was wrapped.
#include <fmt/format.h>

#include "tests/docker/bundle.h"

namespace platter::test {
namespace {

using testing::HasSubstr;

class Wrap : public Bundle {};

TEST_F(Wrap, UmociUnpacksWhatWasFlattened) {
  MakeLayout();
  Shell("listing ref/rootfs >wanted; $platter docker flatten -q -O qcow2 oci a.qcow2");
  for (const char* compression : {"gzip", "none", "zstd"}) {
    Shell(fmt::format("$platter docker wrap -q --compression {} --platform linux/amd64 -t my/thing:v2 a.qcow2 w.tar",
                      compression));
    // umoci knows no zstd: skopeo compresses it again.
    Shell(
        "copy() { skopeo --insecure-policy --tmpdir $PWD copy -q --dest-compress-format gzip --dest-compress \"$1\" "
        "\"$2\" "
        ">skopeo.log; }; rm -rf c o x y; copy docker-archive:w.tar:my/thing:v2 dir:c; copy dir:c oci:o:x; "
        "rm -rf c; copy oci-archive:w.tar:v2 dir:c; copy dir:c oci:o:y; unpack o:x x; unpack o:y y; "
        "listing x/rootfs >x.list; listing y/rootfs >y.list; diff wanted x.list; diff wanted y.list");
  }
}

TEST_F(Wrap, IsTheSameEachTimeAndRoundTrips) {
  MakeLayout();
  Shell(
      "$platter docker flatten -q oci a.raw; $platter docker wrap -q --platform linux/amd64 -t a:b a.raw one.tar; "
      "$platter convert -O vmdk a.raw a.vmdk; $platter docker wrap -q --platform linux/amd64 -t a:b a.vmdk two.tar; "
      "cmp one.tar two.tar; $platter docker flatten -q one.tar b.raw; "
      "$platter docker wrap -q --platform linux/amd64 -t a:b b.raw three.tar; cmp one.tar three.tar");
  EXPECT_THAT(Shell("$platter inspect --expect-container docker --depth full one.tar || true"),
              testing::Not(HasSubstr("digest")));
}

TEST_F(Wrap, TakesFileSystemsOfMke2fs) {
  Shell(
      "mkdir -p t/etc t/bin t/home; echo root >t/etc/hostname; cp /bin/true t/bin/sh; ln t/etc/hostname t/etc/again; "
      "truncate -s 2M t/home/hole; echo end >>t/home/hole; ln -s ../etc t/home/link");
  for (const char* options : {"-t ext2", "-t ext3 -b 1024", "-t ext4", "-t ext4 -O inline_data", "-t ext2 -I 128",
                              "-t ext2 -O ^ext_attr", "-r 0"}) {
    Shell(fmt::format(
        "rm -rf fs w.tar o x; truncate -s 16M fs; mke2fs -q -F {} -d t fs; $platter docker wrap fs w.tar; "
        "skopeo --insecure-policy --tmpdir $PWD copy -q docker-archive:w.tar oci:o:x >/dev/null; unpack o:x x; "
        "(cd t; find . -type f -exec sha256sum {{}} + | sort; find . -printf '%P %m %y %l\\n' | sort) >a; "
        "(cd x/rootfs; find . -type f -exec sha256sum {{}} + | sort; find . -printf '%P %m %y %l\\n' | sort) >b; "
        "diff a b; test x/rootfs/etc/again -ef x/rootfs/etc/hostname",
        options));
    EXPECT_THAT(Shell("$platter info w.tar"), HasSubstr("architecture: amd64"));
  }
}

TEST_F(Wrap, KeepsAccessControlLists) {
  // user::rw-, user:1000:r--, group::r--, mask::rw-, other::r--, as setxattr takes it.
  Shell(
      "mkdir t; echo a >t/file; truncate -s 8M fs; mke2fs -q -F -t ext4 -d t fs; "
      "printf '\\2\\0\\0\\0\\1\\0\\6\\0\\377\\377\\377\\377\\2\\0\\4\\0\\350\\3\\0\\0\\4\\0\\4\\0\\377\\377\\377\\377"
      "\\20\\0\\6\\0\\377\\377\\377\\377\\40\\0\\4\\0\\377\\377\\377\\377' >list; "
      "debugfs -w -R 'ea_set -f list /file system.posix_acl_access' fs 2>/dev/null; "
      "$platter docker wrap -q --platform linux/amd64 --compression none fs w.tar; "
      "/usr/bin/python3 -c \"assert open('list', 'rb').read() in open('w.tar', 'rb').read()\"; "
      "$platter docker flatten -q w.tar b 2>errors; test ! -s errors; for i in fs b; do "
      "debugfs -R \"ea_get -r -f $i.list /file system.posix_acl_access\" $i 2>/dev/null; done; "
      "test -s fs.list; cmp fs.list b.list");
  // An entry that is cut.
  Shell(
      "printf '\\1\\0\\0\\0\\2\\0\\4\\0' >list; "
      "debugfs -w -R 'ea_set -r -f list /file system.posix_acl_access' fs 2>/dev/null");
  EXPECT_THAT(Try("$platter docker wrap -q --platform linux/amd64 fs w.tar").err,
              HasSubstr("an access control list of inode 12 is damaged"));
}

TEST_F(Wrap, SaysWhatIsLeftOut) {
  struct Row {
    const char* change;
    const char* warning;
  };
  constexpr Row kRows[] = {
      {"mke2fs -q -F -t ext4 -d t fs", ""},
      {"mkdir -p t/a/.wh.b t/a/.whole; echo x >t/a/.wh.b/c; echo x >t/.wh.file; mke2fs -q -F -t ext4 -d t fs; "
       "rm -rf t/a t/.wh.file",
       "warning: 2 files named .wh.* are left out"},
      {"mke2fs -q -F -t ext4 -d t fs; debugfs -w -R 'ea_set /file user.a=b c' fs",
       "warning: 1 extended attributes with a '=' in their names are left out"},
      {"mke2fs -q -F -t ext4 -d t fs; printf 'jo\njw -b 8 /dev/zero\njc\n' | debugfs -w fs",
       "warning: the journal of fs was not replayed"},
  };
  Shell("mkdir t; echo a >t/file");
  for (const Row& row : kRows) {
    Shell(fmt::format("rm -f fs; truncate -s 16M fs; {{ {}; }} >log 2>&1", row.change));
    const CommandResult wrapped = Try("$platter docker wrap -q --platform linux/amd64 fs w.tar");
    EXPECT_EQ(wrapped.exit_code, 0) << row.change;
    EXPECT_THAT(wrapped.err, HasSubstr(row.warning)) << row.change;
    EXPECT_EQ(wrapped.err.empty(), *row.warning == '\0') << wrapped.err;
    const CommandResult flat = Try("$platter docker flatten -q w.tar b; debugfs -R 'cat /file' b 2>/dev/null");
    EXPECT_EQ(flat.err, "") << row.change;
    EXPECT_EQ(flat.out, "a\n") << row.change;
  }
}

// A hole shrinks by more than deflate could make it.
TEST_F(Wrap, LargeHolesComeBack) {
  Shell(
      "mkdir t; truncate -s 1300M t/hole; truncate -s 1400M fs; mke2fs -q -F -t ext4 -d t fs; "
      "$platter docker wrap -q --platform linux/amd64 --compression zstd fs w.tar; $platter info w.tar; "
      "$platter docker flatten -q w.tar b");
  EXPECT_THAT(Stat("b", "/hole"), HasSubstr("Size: 1363148800\n"));
}

TEST_F(Wrap, FindsTheRootOfADisk) {
  Shell(
      "mkdir -p t/etc t/bin; cp /bin/true t/bin/sh; echo / >t/etc/fstab; truncate -s 8M fs; mke2fs -q -F -t ext4 -d t "
      "fs; "
      "truncate -s 10M disk; printf 'label: gpt\\nstart=2048,size=16384,type=L\\n' | sfdisk -q disk; "
      "dd if=fs of=disk bs=1M seek=1 conv=notrunc status=none; $platter convert -O qcow2 disk disk.qcow2; "
      "$platter docker wrap -q disk.qcow2 a.tar; $platter docker wrap -q fs b.tar; "
      "$platter docker wrap -q --partition 1 disk c.tar; cmp a.tar b.tar; cmp a.tar c.tar");
}

TEST_F(Wrap, ConfigIsWhatWasAskedFor) {
  Shell(
      "truncate -s 4M fs; mke2fs -q -F -t ext4 fs; $platter docker wrap -q -t one:v1 -t reg.example/two "
      "--platform linux/arm64/v8 --entrypoint '[\"/bin/init\", \"a b\"]' --cmd 'echo hi' -e A=B --env C=D=E "
      "--user 1000:1000 --workdir /srv --expose 80 --expose 53/udp --volume /data --label k=v --author me "
      "--created 2026-01-02T03:04:05Z fs w.tar");
  const std::string config = Shell("skopeo --tmpdir $PWD inspect --config docker-archive:w.tar:one:v1 | tr -d ' \\n'");
  for (const char* part :
       {R"("created":"2026-01-02T03:04:05Z")", R"("author":"me")", R"("architecture":"arm64")", R"("variant":"v8")",
        R"("os":"linux")", R"("User":"1000:1000")", R"("ExposedPorts":{"53/udp":{},"80/tcp":{}})",
        R"("Env":["A=B","C=D=E"])", R"("Entrypoint":["/bin/init","ab"])", R"("Cmd":["/bin/sh","-c","echohi"])",
        R"("Volumes":{"/data":{}})", R"("WorkingDir":"/srv")", R"("Labels":{"k":"v"})"}) {
    EXPECT_THAT(config, HasSubstr(part));
  }
  EXPECT_THAT(Shell("$platter info w.tar"), HasSubstr("reg.example/two:latest"));
}

TEST_F(Wrap, TakesTheNamesOfRegistries) {
  Shell("truncate -s 4M fs; mke2fs -q -F -t ext4 fs");
  for (const char* name : {"a", "a__b/c--d.e_f:1.0", "localhost:5000/a/b", "Reg-1.example.org:443/two:Latest"}) {
    Shell(fmt::format("$platter docker wrap -q --platform linux/amd64 -t {} fs w.tar; rm w.tar", name));
  }
}

TEST_F(Wrap, Refusals) {
  Shell(
      "truncate -s 4M fs; mke2fs -q -F -t ext4 fs; truncate -s 300M xfs; mkfs.xfs -q xfs; truncate -s 1M zeros; "
      "cp fs self");
  struct Row {
    const char* arguments;
    const char* message;
  };
  constexpr Row kRows[] = {
      {"fs out", "say so with --platform"},
      {"--platform linux xfs out", "out of ext file systems only"},
      {"--platform linux zeros out", "holds no file system that we know"},
      {"--platform linux/ fs out", "this is no platform"},
      {"--platform linux/amd64 self self", "is the disk itself"},
      {"--platform linux/amd64 fs /dev/null", ""},
      {"-t 'UPPER:x' fs out", "this is no name of an image"},
      {"-t 'a:b c' fs out", "this is no name of an image"},
      {"-t x:y:z fs out", "this is no name of an image"},
      {"-t a..b fs out", "this is no name of an image"},
      {"-t a/-b fs out", "this is no name of an image"},
      {"-t a/b:1/c fs out", "this is no name of an image"},
      {"-e A fs out", "a variable is NAME=VALUE"},
      {"--label a fs out", "a label is KEY=VALUE"},
      {"--expose 70000 fs out", "this is no port"},
      {"--workdir a fs out", "is absolute"},
      {"--created now fs out", "this is no time"},
      {"--compression xz fs out", "a compression that is not known"},
      {"--entrypoint '[1]' fs out", "list of words"},
      {"--entrypoint '[\"a\"' fs out", "list of words"},
      {"--partition 0 fs out", "partitions count from 1"},
      {"--label \"$(printf 'k=\\377')\" fs out", "no UTF-8 (found k=\\xff)"},
      {"--author \"$(printf '\\355\\240\\200')\" fs out", "no UTF-8"},
      {"-e \"$(printf 'A=\\300\\200')\" fs out", "no UTF-8"},
      {"--user \"$(printf 'a\\342\\202')\" fs out", "no UTF-8"},
      {"fs", "Expecting the file system and the archive to write"},
      {"nowhere out", "No such file"},
  };
  for (const Row& row : kRows) {
    const CommandResult result = Try(fmt::format("$platter docker wrap {}", row.arguments));
    EXPECT_EQ(result.exit_code, 1) << row.arguments;
    EXPECT_THAT(result.err, HasSubstr(row.message)) << row.arguments;
    EXPECT_THAT(Shell("ls"), testing::Not(HasSubstr("out"))) << row.arguments;
  }
  Shell("cmp fs self");
}

}  // namespace
}  // namespace platter::test
