#include "formats/core/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace platter {
namespace {

TEST(Error, TellsTheWholeStory) {
  const Error error = Error(ErrorKind::kCorrupt, "table lies outside the file")
                          .At("header", "l1_table_offset", 40)
                          .Found(7)
                          .Allowed("a multiple of 512")
                          .Try("run platter check")
                          .In("disk.qcow2")
                          .While("opening the disk");
  EXPECT_EQ(error.Describe(),
            "opening the disk: disk.qcow2: table lies outside the file (header, field l1_table_offset at offset 0x28: "
            "found 7, allowed: a multiple of 512); run platter check");
}

TEST(Error, SaysOnlyWhatItKnows) { EXPECT_EQ(Error(ErrorKind::kIo, "read failed").Describe(), "read failed"); }

TEST(Error, KeepsTheInnermostFile) { EXPECT_EQ(Error(ErrorKind::kIo, "x").In("inner").In("outer").file(), "inner"); }

TEST(Error, TakesTheHostsReason) {
  const Error error = Error::FromErrno(ENOSPC, "write failed");
  EXPECT_EQ(error.kind(), ErrorKind::kIo);
  EXPECT_EQ(error.os_error(), ENOSPC);
  EXPECT_EQ(error.what(), "write failed: No space left on device");
}

}  // namespace
}  // namespace platter
