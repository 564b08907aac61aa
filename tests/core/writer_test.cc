#include "formats/core/writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "formats/core/memory_storage.h"

namespace platter {
namespace {

using GuestRun = Run;  // testing::Test has a Run of its own
using Kind = GuestRun::Kind;

class BareWriter : public ImageWriter {
 public:
  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& /*batch*/) override { return Done{}; }
  Result<> Finish() override { return Done{}; }
  using ImageWriter::ClearStored;

 private:
  WriterTraits traits_;
};

// Two data runs around a zero run, guest bytes 100 to 160.
struct Disk {
  std::vector<std::byte> bytes = std::vector<std::byte>(60, std::byte{7});
  Batch batch;
  MemoryStorage file{"file", std::vector<std::byte>(200, std::byte{1})};

  Disk() {
    batch.offset = 100;
    batch.length = bytes.size();
    batch.bytes = bytes;
    batch.runs = {{Kind::kData, 100, 20}, {Kind::kZero, 120, 20}, {Kind::kData, 140, 20}};
  }
};

TEST(ForEachPart, CutsAtMultiplesOfTheUnit) {
  std::vector<std::array<std::uint64_t, 2>> parts;
  const auto visited = ForEachPart({Kind::kZero, 100, 60}, 48, [&](const GuestRun& part) -> Result<> {
    EXPECT_EQ(part.kind, Kind::kZero);
    parts.push_back({part.offset, part.length});
    return Done{};
  });
  ASSERT_TRUE(visited.ok());
  EXPECT_EQ(parts, (std::vector<std::array<std::uint64_t, 2>>{{100, 44}, {144, 16}}));
}

TEST(ForEachPart, EndsWithTheFirstFailure) {
  int calls = 0;
  const auto visited = ForEachPart({Kind::kData, 0, 100}, 10, [&](const GuestRun& /*part*/) -> Result<> {
    if (++calls == 3) return Error(ErrorKind::kIo, "third");
    return Done{};
  });
  EXPECT_FALSE(visited.ok());
  EXPECT_EQ(calls, 3);
}

TEST(AppendRun, JoinsDataThatContinuesAndNothingElse) {
  Disk disk;
  MemoryStorage other("other");
  AppendRun(disk.batch, disk.file, 0, {Kind::kData, 100, 10});
  AppendRun(disk.batch, disk.file, 10, {Kind::kData, 110, 10});
  EXPECT_EQ(disk.batch.writes.size(), 1u);
  AppendRun(disk.batch, disk.file, 21, {Kind::kData, 120, 10});  // elsewhere in the file
  AppendRun(disk.batch, disk.file, 31, {Kind::kData, 131, 10});  // elsewhere in memory
  AppendRun(disk.batch, other, 41, {Kind::kData, 141, 10});      // another file
  AppendRun(disk.batch, other, 51, {Kind::kZero, 151, 1});
  AppendRun(disk.batch, other, 52, {Kind::kData, 151, 1});
  EXPECT_EQ(disk.batch.writes.size(), 6u);
  EXPECT_EQ(disk.batch.writes[0].bytes.size(), 20u);
  EXPECT_EQ(disk.batch.writes[4].zeros, 1u);
}

TEST(ImageWriter, StoresDataAndZerosWhereTheyWerePlaced) {
  Disk disk;
  for (const GuestRun& run : disk.batch.runs) AppendRun(disk.batch, disk.file, run.offset - 60, run);
  BareWriter writer;
  ASSERT_TRUE(writer.Store(disk.batch).ok());
  std::vector<std::byte> expected(200, std::byte{1});
  std::fill_n(expected.begin() + 40, 60, std::byte{7});
  std::fill_n(expected.begin() + 60, 20, std::byte{0});
  EXPECT_EQ(disk.file.Snapshot(), expected);
}

TEST(ImageWriter, ClearsWhatTheFileHasAndDoesNotGrowIt) {
  Disk disk;
  BareWriter writer;
  ASSERT_TRUE(writer.ClearStored(disk.file, 190, 50).ok());
  ASSERT_TRUE(writer.ClearStored(disk.file, 200, 50).ok());
  ASSERT_TRUE(writer.ClearStored(disk.file, 300, 50).ok());
  std::vector<std::byte> expected(200, std::byte{1});
  std::fill_n(expected.begin() + 190, 10, std::byte{0});
  EXPECT_EQ(disk.file.Snapshot(), expected);
}

}  // namespace
}  // namespace platter
