#include "convert/copy/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace platter::copy {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

class BufferOf : public testing::TestWithParam<std::size_t> {};

TEST_P(BufferOf, IsAlignedZeroAndWritableToItsEnd) {
  const std::size_t capacity = GetParam();
  Buffer buffer;
  const auto part = buffer.Get(kPage, capacity);
  ASSERT_TRUE(part.ok()) << part.error().Describe();
  EXPECT_EQ(part.value().size(), kPage);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(part.value().data()) % (capacity < kHugePage ? kPage : kHugePage), 0U);
  const auto whole = buffer.Get(capacity, capacity);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole.value().data(), part.value().data()) << "made once";
  EXPECT_EQ(std::ranges::count(whole.value(), std::byte{0}), static_cast<std::ptrdiff_t>(capacity));
  std::ranges::fill(whole.value(), std::byte{0xA5});
  EXPECT_EQ(std::ranges::count(whole.value(), std::byte{0xA5}), static_cast<std::ptrdiff_t>(capacity));
}

INSTANTIATE_TEST_SUITE_P(Capacities, BufferOf,
                         testing::Values(kPage, kHugePage / 4, kHugePage, kHugePage + kPage, 3 * kHugePage));

TEST(Buffer, OfMoreThanThereIsSaysSo) {
  Buffer buffer;
  const auto got = buffer.Get(kPage, std::size_t{1} << 50);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace platter::copy
