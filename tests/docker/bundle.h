// Root file systems and images of them, made and unpacked by umoci.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

namespace platter::test {

class Bundle : public testing::Test {
 protected:
  // The shell `script`, in a folder of the test's own. There, `unpack IMAGE FOLDER` has umoci unpack an image,
  // `repack IMAGE FOLDER` has it make one more layer of what was changed in FOLDER/rootfs, and `listing FOLDER` prints
  // what is in one: kinds, modes, owners, times, links, devices, extended attributes, digests.
  std::string Shell(const std::string& script);
  CommandResult Try(const std::string& script);
  // An image layout "oci" with the tag "v1": two layers, the upper of which replaces, removes and changes; and "ref",
  // its files.
  void MakeLayout();
  // debugfs says of a file in the file system `image`.
  std::string Stat(const std::string& image, const std::string& path);
  void ExpectSound(const std::string& image);

  TempDir folder_;
};

}  // namespace platter::test
