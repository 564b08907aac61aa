#include "formats/core/entry_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"

namespace platter {
namespace {

constexpr std::uint64_t kOffset = 24;  // of the table
constexpr std::uint64_t kCount = 2 * kTablePieceEntries + 3;

std::vector<std::byte> NumberedTable() {
  std::vector<std::byte> bytes(kOffset + kCount * kTableEntryBytes);
  for (std::uint32_t i = 0; i < kCount; ++i) StoreLe(bytes.data() + kOffset + i * kTableEntryBytes, i + 1);
  return bytes;
}

std::uint32_t EntryIn(const std::vector<std::byte>& bytes, std::uint64_t index) {
  return LoadLe<std::uint32_t>(bytes.data() + kOffset + index * kTableEntryBytes);
}

TEST(ForEachTableEntry, VisitsEachOnceInOrder) {
  MemoryStorage file("table", NumberedTable());
  std::uint64_t visited = 0;
  const auto done = ForEachTableEntry(file, kOffset, kCount, [&](std::uint64_t index, std::uint32_t entry) -> Result<> {
    EXPECT_EQ(index, visited++);
    if (entry != index + 1) return Error(ErrorKind::kCorrupt, "another entry");
    return Done{};
  });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(visited, kCount);
}

TEST(ForEachTableEntry, EndsWithTheFirstFailure) {
  MemoryStorage file("table", NumberedTable());
  std::uint64_t visited = 0;
  const auto fail_third = [&](std::uint64_t /*index*/, std::uint32_t /*entry*/) -> Result<> {
    if (++visited == 3) return Error(ErrorKind::kCorrupt, "third");
    return Done{};
  };
  EXPECT_EQ(ForEachTableEntry(file, kOffset, kCount, fail_third).error().what(), "third");
  EXPECT_EQ(visited, 3u);
  const auto ignore = [](std::uint64_t /*index*/, std::uint32_t /*entry*/) -> Result<> { return Done{}; };
  EXPECT_EQ(ForEachTableEntry(file, kOffset, kCount + 1, ignore).error().kind(), ErrorKind::kOutOfRange);
}

TEST(EntryWindow, WritesWhatWasSetAndNothingElse) {
  MemoryStorage file("table", NumberedTable());
  auto expected = NumberedTable();
  EntryWindow window(file, kOffset, kCount);
  for (const std::uint64_t index : {std::uint64_t{0}, kTablePieceEntries - 1, kTablePieceEntries, kCount - 1}) {
    EXPECT_EQ(window.Get(index).value(), index + 1);
    window.Set(index, 0xABCD);
    EXPECT_EQ(window.Get(index).value(), 0xABCDu);
    StoreLe(expected.data() + kOffset + index * kTableEntryBytes, std::uint32_t{0xABCD});
  }
  EXPECT_EQ(EntryIn(file.Snapshot(), kCount - 1), kCount);
  ASSERT_TRUE(window.Flush().ok());
  EXPECT_EQ(file.Snapshot(), expected);
}

TEST(EntryWindow, WritesAPieceOnlyWhenItChanged) {
  const auto base = std::make_shared<MemoryStorage>("table", NumberedTable());
  FaultyStorage file(base, {});
  EntryWindow window(file, kOffset, kCount);
  ASSERT_TRUE(window.Get(0).ok());
  ASSERT_TRUE(window.Get(kCount - 1).ok());
  ASSERT_TRUE(window.Flush().ok());
  EXPECT_EQ(file.write_count(), 0u);
  EXPECT_EQ(file.read_count(), 2u);
}

TEST(EntryWindow, AReadThatFailsLeavesNothingBehind) {
  const auto base = std::make_shared<MemoryStorage>("table", NumberedTable());
  FaultyStorage file(base, {.fail_read = 0});
  EntryWindow window(file, kOffset, kCount);
  EXPECT_EQ(window.Get(5).error().kind(), ErrorKind::kIo);
  EXPECT_EQ(window.Get(5).value(), 6u);
}

TEST(EntryAppender, WritesEachPieceOnce) {
  const auto base = std::make_shared<MemoryStorage>("table");
  FaultyStorage file(base, {});
  EntryAppender table(file, kOffset);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(table.next(), i);
    ASSERT_TRUE(table.Append(i + 1).ok());
    EXPECT_EQ(table.flushed(), (i + 1) % kTablePieceEntries == 0);
  }
  ASSERT_TRUE(table.Flush().ok());
  ASSERT_TRUE(table.Flush().ok());
  EXPECT_EQ(file.write_count(), 3u);
  EXPECT_EQ(base->Snapshot(), NumberedTable());
}

TEST(EntryAppender, LeavesOutWhatItSkips) {
  const auto base = std::make_shared<MemoryStorage>("table");
  FaultyStorage file(base, {});
  EntryAppender table(file, kOffset);
  ASSERT_TRUE(table.flushed());
  table.SkipTo(kTablePieceEntries * 3 + 5);
  ASSERT_TRUE(table.Append(9).ok());
  ASSERT_TRUE(table.Flush().ok());
  EXPECT_EQ(table.next(), kTablePieceEntries * 3 + 6);
  EXPECT_EQ(file.write_count(), 1u);
  EXPECT_EQ(EntryIn(base->Snapshot(), kTablePieceEntries * 3 + 4), 0u);
  EXPECT_EQ(EntryIn(base->Snapshot(), kTablePieceEntries * 3 + 5), 9u);
}

}  // namespace
}  // namespace platter
