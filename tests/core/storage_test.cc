// What every kind of Storage promises, and what only the faulty and the sliced one do.
#include "formats/core/storage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/slice_storage.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

std::shared_ptr<Storage> MakeStorage(const std::string& kind, const test::TempDir& folder) {
  if (kind == "memory") return std::make_shared<MemoryStorage>();
  auto file = FileStorage::Open(folder.File("file"), {.access = FileMode::Access::kCreate});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

std::string ReadText(Storage& storage, std::uint64_t offset, std::size_t length) {
  std::string text(length, '?');
  const auto read = storage.ReadAt(offset, std::as_writable_bytes(std::span(text)));
  return read.ok() ? text : read.error().Describe();
}

Result<> WriteText(Storage& storage, std::uint64_t offset, std::string_view text) {
  return storage.WriteAt(offset, std::as_bytes(std::span(text)));
}

class EveryStorage : public testing::TestWithParam<const char*> {
 protected:
  Storage& storage() { return *storage_; }

 private:
  test::TempDir folder_;
  std::shared_ptr<Storage> storage_ = MakeStorage(GetParam(), folder_);
};

TEST_P(EveryStorage, GrowsWithZerosBetween) {
  ASSERT_TRUE(WriteText(storage(), 4, "data").ok());
  EXPECT_EQ(storage().size(), 8u);
  EXPECT_EQ(ReadText(storage(), 0, 8), std::string(4, '\0') + "data");
  ASSERT_TRUE(storage().Resize(6).ok());
  ASSERT_TRUE(storage().Resize(8).ok());
  EXPECT_EQ(ReadText(storage(), 4, 4), std::string("da\0\0", 4));
}

TEST_P(EveryStorage, PunchesZerosAndGrows) {
  ASSERT_TRUE(WriteText(storage(), 0, "abcdefgh").ok());
  ASSERT_TRUE(storage().Punch(2, 3).ok());
  EXPECT_EQ(ReadText(storage(), 0, 8), std::string("ab\0\0\0fgh", 8));
  ASSERT_TRUE(storage().Punch(6, 10).ok());
  EXPECT_EQ(storage().size(), 16u);
}

// One thread grows the file by punching while another one writes behind it: nothing that was written is cut off.
TEST_P(EveryStorage, KeepsWhatIsWrittenWhilePunchingGrowsIt) {
  constexpr std::uint64_t kPart = 8192;
  constexpr std::uint64_t kParts = 4000;
  std::jthread puncher([this] {
    for (std::uint64_t part = 0; part < kParts; part += 2) EXPECT_TRUE(storage().Punch(part * kPart, kPart).ok());
  });
  const std::string text(kPart, 'x');
  for (std::uint64_t part = 1; part < kParts; part += 2) ASSERT_TRUE(WriteText(storage(), part * kPart, text).ok());
  puncher.join();
  for (std::uint64_t part = 0; part < kParts; ++part) {
    ASSERT_EQ(ReadText(storage(), part * kPart, kPart), part % 2 == 0 ? std::string(kPart, '\0') : text) << part;
  }
}

TEST_P(EveryStorage, RefusesReadsPastItsEnd) {
  ASSERT_TRUE(WriteText(storage(), 0, "abcd").ok());
  std::array<std::byte, 8> bytes{};
  EXPECT_EQ(storage().ReadAt(0, bytes).error().kind(), ErrorKind::kOutOfRange);
  EXPECT_EQ(storage().ReadAt(~std::uint64_t{0}, bytes).error().kind(), ErrorKind::kOutOfRange);
  ASSERT_TRUE(storage().ReadPadded(2, bytes).ok());
  EXPECT_EQ(bytes[1], std::byte{'d'});
  EXPECT_EQ(bytes[2], std::byte{0});
}

TEST_P(EveryStorage, MapsAllOfItself) {
  ASSERT_TRUE(storage().Resize(1 << 20).ok());
  ASSERT_TRUE(WriteText(storage(), 500'000, "data").ok());
  for (std::uint64_t at = 0; at < storage().size();) {
    const auto run = storage().DataMap(at);
    ASSERT_TRUE(run.ok()) << run.error().Describe();
    ASSERT_GE(run.value().length, 1u);
    ASSERT_LE(at + run.value().length, storage().size());
    at += run.value().length;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryStorage, testing::Values("memory", "file"));

TEST(SliceStorage, StaysInsideItsPart) {
  const auto whole = std::make_shared<MemoryStorage>();
  ASSERT_TRUE(WriteText(*whole, 0, "0123456789").ok());
  const auto slice = SliceStorage::Make(whole, 2, 4);
  ASSERT_TRUE(slice.ok()) << slice.error().Describe();
  EXPECT_EQ(ReadText(*slice.value(), 0, 4), "2345");
  EXPECT_FALSE(WriteText(*slice.value(), 3, "xy").ok());
  EXPECT_EQ(SliceStorage::Make(whole, 8, 4).error().kind(), ErrorKind::kOutOfRange);
}

TEST(FileStorage, SaysWhyItDoesNotOpen) {
  const auto file = FileStorage::Open("/no/such/file", {});
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().os_error(), ENOENT);
  EXPECT_EQ(file.error().file(), "/no/such/file");
}

TEST(FileStorage, KeepsASecondWriterOut) {
  const test::TempDir folder;
  const auto first = FileStorage::Open(folder.File("disk"), {.access = FileMode::Access::kCreate});
  ASSERT_TRUE(first.ok());
  const auto second = FileStorage::Open(folder.File("disk"), {.access = FileMode::Access::kReadWrite});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind(), ErrorKind::kDenied);
  EXPECT_TRUE(FileStorage::Open(folder.File("disk"), {.lock = false}).ok());
}

TEST(FaultyStorage, FailsTheCallThatItIsTold) {
  const auto base = std::make_shared<MemoryStorage>();
  FaultyStorage torn(base, {.torn_write = 0});
  EXPECT_FALSE(WriteText(torn, 0, "abcd").ok());
  EXPECT_EQ(ReadText(*base, 0, 2), "ab");
  FaultyStorage dead(base, {.crash_before_write = 1});
  EXPECT_TRUE(WriteText(dead, 0, "x").ok());
  EXPECT_FALSE(WriteText(dead, 0, "y").ok());
  EXPECT_FALSE(WriteText(dead, 0, "z").ok());
  EXPECT_EQ(ReadText(*base, 0, 1), "x");
  FaultyStorage full(base, {.capacity = 4});
  EXPECT_EQ(WriteText(full, 2, "abc").error().os_error(), ENOSPC);
}

}  // namespace
}  // namespace platter
