#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

TEST(RunCommand, CapturesStreamsAndExitCode) {
  const CommandResult result = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_GT(result.peak_rss, 0u);
}

TEST(RunCommand, ReportsSignalsAndMissingPrograms) {
  EXPECT_EQ(RunCommand({"sh", "-c", "kill -9 $$"}).exit_code, 128 + 9);
  EXPECT_EQ(RunCommand({"no-such-program-anywhere"}).exit_code, 127);
}

TEST(RunCommand, RunsWhereItIsToldWithItsEnvironment) {
  const TempDir folder;
  const CommandOptions options{.folder = folder.path().string(), .environment = {"ANSWER=42"}, .merge_streams = true};
  const CommandResult result = RunCommand({"sh", "-c", "pwd; echo $ANSWER >&2"}, options);
  EXPECT_EQ(result.out, std::filesystem::canonical(folder.path()).string() + "\n42\n");
}

TEST(TempDir, LeavesNothingBehind) {
  std::filesystem::path path;
  {
    const TempDir folder;
    path = folder.path();
    std::ofstream(folder.File("a")) << "text";
    EXPECT_TRUE(std::filesystem::exists(path / "a"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Sha256, MatchesTheKnownAnswer) {
  EXPECT_EQ(Sha256OfBytes({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 zeros;
  zeros.AddZeros(1 << 20);
  EXPECT_EQ(zeros.Hex(), "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
}

TEST(RandomGuest, TilesTheDiskAndRepeats) {
  const GuestDisk disk = RandomGuest(7, 5'000'000);
  std::uint64_t at = 0;
  for (const GuestRange& range : disk.ranges) {
    EXPECT_EQ(range.offset, at);
    EXPECT_GT(range.length, 0u);
    at = range.end();
  }
  EXPECT_EQ(at, disk.size);
  EXPECT_EQ(disk.Sha256(), RandomGuest(7, 5'000'000).Sha256());
  EXPECT_NE(disk.Sha256(), RandomGuest(8, 5'000'000).Sha256());
}

TEST(RandomGuest, IsTheSameHoweverItIsWritten) {
  const TempDir folder;
  const GuestDisk disk = RandomGuest(11, (3 << 20) + 512);
  WriteRawFile(disk, folder.File("file.raw"));
  EXPECT_EQ(Sha256OfFile(folder.File("file.raw")), disk.Sha256());

  MustRun({"qemu-img", "create", "-q", "-f", "raw", folder.File("peer.raw"), std::to_string(disk.size)});
  WriteWithQemuIo(disk, folder.File("peer.raw"), "raw", 1);
  EXPECT_EQ(Sha256OfFile(folder.File("peer.raw")), disk.Sha256());

  const auto storage = std::make_shared<MemoryStorage>();
  const auto written = WriteThroughDriver(*FindFormat("raw"), {.storage = storage, .virtual_size = disk.size}, disk);
  ASSERT_TRUE(written.ok()) << written.error().Describe();
  EXPECT_EQ(Sha256OfBytes(storage->Snapshot()), disk.Sha256());
}

}  // namespace
}  // namespace platter::test
