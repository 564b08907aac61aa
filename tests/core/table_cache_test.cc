#include "formats/core/table_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

using test::TempDir;

struct WordCase {
  TableWord word;
  std::uint64_t offset;  // of an entry
  std::uint64_t value;
};

// A file whose byte number n is n modulo 251.
std::shared_ptr<Storage> CountingFile(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t at = 0; at < size; ++at) bytes[at] = static_cast<std::byte>(at % 251);
  auto storage = std::make_shared<MemoryStorage>("table");
  EXPECT_TRUE(storage->WriteAt(0, bytes).ok());
  return storage;
}

TEST(TableCache, ReadsEntriesOfEveryShape) {
  constexpr std::array kCases = {
      WordCase{TableWord::kBig64, 8, 0x08090A0B0C0D0E0F},
      WordCase{TableWord::kLittle64, 8, 0x0F0E0D0C0B0A0908},
      WordCase{TableWord::kBig32, 12, 0x0C0D0E0F},
      WordCase{TableWord::kLittle32, 12, 0x0F0E0D0C},
      WordCase{TableWord::kBig32, 4096 + 4, 0x54555657},
      WordCase{TableWord::kLittle32, 4096 + 4, 0x57565554},
      WordCase{TableWord::kLittle64, 8184, 0x9F9E9D9C9B9A9998},
  };
  for (const WordCase& test : kCases) {
    TableCache cache(CountingFile(8192), 4096, 16384, test.word);
    const auto word = cache.Word(test.offset);
    ASSERT_TRUE(word.ok());
    EXPECT_EQ(word.value(), test.value) << "at " << test.offset;
  }
}

TEST(TableCache, BytesPastTheEndAreZero) {
  TableCache cache(CountingFile(6), 4096, 4096, TableWord::kLittle32);
  EXPECT_EQ(cache.Word(4).value(), 0x0504U);
  EXPECT_EQ(cache.Word(8).value(), 0U);
}

struct ZerosCase {
  std::uint64_t offset;
  std::uint64_t most;
  std::uint64_t count;
};

TEST(TableCache, CountsZerosUpToTheFirstEntryInUse) {
  constexpr std::uint64_t kFirst = 5000;  // of the entries in use
  constexpr std::uint64_t kSecond = std::uint64_t{1} << 36;
  const TempDir folder;
  auto file = FileStorage::Open(folder.File("table"), {.access = FileMode::Access::kCreate});
  ASSERT_TRUE(file.ok());
  for (const std::uint64_t used : {kFirst, kSecond}) {
    ASSERT_TRUE(file.value()->WriteAt(used * 8 + 5, std::array{std::byte{1}}).ok());
  }
  TableCache cache(file.value(), 4096, 16384, TableWord::kBig64);
  constexpr std::array kCases = {
      ZerosCase{0, 0, 0},
      ZerosCase{0, 1, 1},
      ZerosCase{0, 1 << 20, kFirst},
      ZerosCase{80, 100, 100},
      ZerosCase{80, 1 << 20, kFirst - 10},
      ZerosCase{kFirst * 8, 1 << 20, 0},
      ZerosCase{kFirst * 8 + 8, kSecond, kSecond - kFirst - 1},
      ZerosCase{kFirst * 8 + 8, 1 << 30, 1 << 30},
      ZerosCase{kSecond * 8 + 8, kSecond, kSecond},  // behind the end
  };
  for (const ZerosCase& test : kCases) {
    const auto count = cache.CountZeros(test.offset, test.most);
    ASSERT_TRUE(count.ok());
    EXPECT_EQ(count.value(), test.count) << "at " << test.offset << " of " << test.most;
  }
}

TEST(TableCache, ForgetsWhatDoesNotFit) {
  const auto file = CountingFile(std::size_t{1} << 20);
  TableCache cache(file, 4096, 4096, TableWord::kBig32);
  const std::uint64_t before = cache.Word(0).value();
  for (std::uint64_t at = 0; at < file->size(); at += 4096) ASSERT_TRUE(cache.Word(at).ok());
  EXPECT_EQ(cache.Word(0).value(), before);
}

}  // namespace
}  // namespace platter
