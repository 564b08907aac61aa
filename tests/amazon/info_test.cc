// `platter info` says what a raw disk holds; called as qemu-img it says what qemu-img says.
#include <filesystem>

#include "tests/amazon/files.h"

namespace platter::amazon {
namespace {

class Info : public testing::Test {
 protected:
  std::string Run(const std::string& make, const std::string& arguments) {
    return test::MustRun({"sh", "-ec", "export LC_ALL=C PATH=$PATH:/sbin:/usr/sbin; " + make + "\n" + arguments},
                         {.folder = folder_.path().string(), .environment = {}, .merge_streams = false});
  }
  std::string Platter(const std::string& make) { return Run(make, PLATTER_TOOL " info --output=json out"); }

  test::TempDir folder_;
};

TEST_F(Info, NamesAmiAkiAri) {
  EXPECT_THAT(Platter("truncate -s 8M out; mke2fs -q -t ext4 out"),
              testing::AllOf(testing::HasSubstr(R"("type": "ami")"), testing::HasSubstr(R"("type": "ext4")"),
                             testing::HasSubstr(R"("format": "raw")")));
  EXPECT_THAT(Platter("cp " + DebianInstaller("linux") + " out"),
              testing::AllOf(testing::HasSubstr(R"("type": "aki")"), testing::HasSubstr(R"("type": "bzImage")")));
  EXPECT_THAT(Platter("echo out | cpio -o --quiet -H newc >new; mv new out"),
              testing::AllOf(testing::HasSubstr(R"("type": "ari")"), testing::HasSubstr(R"("first-name": "out")")));
  EXPECT_THAT(Platter("head -c 1M /dev/zero >out"), testing::Not(testing::HasSubstr("content")));
}

// The JSON has the container's name as `type`, by what it was recognised, and what of it another tool says, too.
TEST_F(Info, AmiAkiAriInJson) {
  const auto content = [&](const std::string& make, const std::string& words) {
    Platter(make + "\n" PLATTER_TOOL " info --output=json out > info.json");
    return Run("",
               "python3 -c \"import json; i = json.load(open('info.json')); c = i['content']; print(i['format'], "
               "c['type'], " +
                   words + ")\"");
  };
  const std::string system =
      content("truncate -s 8M out; mke2fs -q -t ext4 -L root out", "sorted(c), c['file-system']");
  EXPECT_THAT(system, testing::StartsWith("raw ami "));
  EXPECT_THAT(system, testing::AllOf(testing::HasSubstr("ext4"), testing::HasSubstr("root")));
  EXPECT_THAT(content("cp " + DebianInstaller("linux") + " out", "sorted(c), c"), testing::StartsWith("raw aki "));
  EXPECT_THAT(content("echo out | cpio -o --quiet -H newc >new; mv new out", "sorted(c), c"),
              testing::AllOf(testing::StartsWith("raw ari "), testing::HasSubstr("first-name")));
}

TEST_F(Info, PrintsPartitionTablesOfAnyFormat) {
  const std::string make =
      "truncate -s 16M disk; printf 'label: gpt\\nstart=2048,size=16384,type=L,name=root\\n' | sfdisk -q disk; "
      "truncate -s 8M fs; mke2fs -q fs; dd if=fs of=disk bs=1M seek=1 conv=notrunc status=none; "
      "qemu-img convert -f raw -O qcow2 -c disk out";
  EXPECT_THAT(Platter(make), testing::AllOf(testing::HasSubstr(R"("type": "disk")"), testing::HasSubstr("\"gpt\""),
                                            testing::HasSubstr("Linux filesystem"), testing::HasSubstr("\"ext2\"")));
  EXPECT_THAT(Run("", PLATTER_TOOL " info out"), testing::HasSubstr("content:\n"));
}

TEST_F(Info, ADamagedTableIsDescribed) {
  EXPECT_THAT(Platter("truncate -s 16M out; printf 'label: gpt\\n' | sfdisk -q out; "
                      "printf 'XXXX' | dd of=out bs=1 seek=528 conv=notrunc status=none; "
                      "printf 'XXXX' | dd of=out bs=1 seek=$((16777216 - 496)) conv=notrunc status=none"),
              testing::AllOf(testing::HasSubstr("findings"), testing::HasSubstr("header_crc32")));
}

TEST_F(Info, AsQemuImgItSaysWhatQemuImgSays) {
  std::filesystem::create_symlink(PLATTER_TOOL, folder_.File("qemu-img"));
  Run("cp " + DebianInstaller("linux") + " out", "");
  for (const char* form : {"", "--output=json "}) {
    EXPECT_EQ(Run("", std::string("./qemu-img info ") + form + "out"),
              Run("", std::string("qemu-img info ") + form + "out"));
  }
}

}  // namespace
}  // namespace platter::amazon
