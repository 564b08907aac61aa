// A folder with an ami, an aki and an ari, of which platter makes disks.
#pragma once

#include <string>

#include "tests/amazon/files.h"
#include "tests/support/digest.h"

namespace platter::amazon {

class JoinedDisk : public testing::Test {
 protected:
  JoinedDisk() {
    Shell(
        "mkdir -p t/etc t/bin; echo root >t/etc/hostname; truncate -s 3M a.ami; mke2fs -q -F -d t a.ami; "
        "ln -s " +
        DebianInstaller("linux") +
        " a.aki; echo init | gzip -n >x; echo x | cpio -o --quiet -H newc | gzip -n "
        ">a.ari");
  }

  std::string Shell(const std::string& script) {
    return test::MustRun({"sh", "-ec", "export LC_ALL=C PATH=$PATH:/sbin:/usr/sbin; " + script}, Here());
  }
  test::CommandOptions Here() const {
    return {.folder = folder_.path().string(),
            .environment = {"TMPDIR=" + folder_.path().string()},
            .merge_streams = false};
  }
  test::CommandResult Join(const std::string& arguments);
  void ExpectJoined(const std::string& arguments) {
    const auto result = Join("--ami a.ami --aki a.aki --ari a.ari " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
  }
  std::string Digest(const std::string& name) { return test::Sha256OfFile(folder_.File(name)); }

  test::TempDir folder_;
};

}  // namespace platter::amazon
