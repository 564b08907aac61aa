// Images that are cut short or have bytes changed: an error or an answer within the promises, never a crash, a hang or
// unbounded memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = 150 * 1024;
constexpr std::uint64_t kReadAtMost = std::uint64_t{4} << 20;  // of a damaged image that claims to be huge
constexpr int kMostExtents = 2000;

// Walks the map from `at` on as far as it leads within bounds, and reads some of what it finds.
void ExpectPromisesKept(const Chain& chain, std::uint64_t at) {
  std::vector<std::byte> bytes(4096);
  const std::uint64_t end = chain.virtual_size();
  for (int count = 0; at < end && count < kMostExtents; ++count) {
    const auto extent = chain.Map(at, end - at);
    if (!extent.ok()) {
      at += 4096;  // over the bad place
      continue;
    }
    ASSERT_EQ(extent.value().offset, at);
    ASSERT_GE(extent.value().length, 1u);
    ASSERT_LE(extent.value().length, end - at);
    const auto piece = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), extent.value().length));
    const auto read = chain.ReadAt(at, piece);
    if (read.ok() && extent.value().status != BlockStatus::kData) {
      ASSERT_TRUE(std::ranges::all_of(piece, [](std::byte b) { return b == std::byte{0}; }));
    }
    at = extent.value().end();
  }
}

class Damaged : public testing::TestWithParam<Sample> {
 protected:
  static std::vector<std::byte> Image() {
    const auto storage = SampleInMemory(GetParam(), SampleGuest(GetParam(), 9, kDiskSize));
    std::vector<std::byte> bytes(storage->size());
    EXPECT_TRUE(storage->ReadAt(0, bytes).ok());
    return bytes;
  }
  static void TryOut(std::vector<std::byte> bytes) {
    const auto chain = OpenAlone(GetParam().driver(), std::make_shared<MemoryStorage>("damaged", std::move(bytes)));
    if (!chain.ok()) return;
    ExpectPromisesKept(chain.value(), 0);
    if (chain.value().virtual_size() > kReadAtMost) {
      ExpectPromisesKept(chain.value(), chain.value().virtual_size() - kReadAtMost);
    }
  }
};

TEST_P(Damaged, CutShortIsAnErrorOrNoHarm) {
  const std::vector<std::byte> image = Image();
  const std::string content = SampleGuest(GetParam(), 9, kDiskSize).Sha256();
  const std::size_t step = std::max<std::size_t>(image.size() / 300, 1);
  for (std::size_t length = 0; length < image.size(); length += step) {
    SCOPED_TRACE(length);
    const auto cut = std::make_shared<MemoryStorage>(
        "cut", std::vector<std::byte>(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(length)));
    const auto chain = OpenAlone(GetParam().driver(), cut);
    if (!chain.ok() || !GetParam().row->truncation_shows) continue;
    const auto digest = ReadWhole(chain.value());
    if (digest.ok()) {
      EXPECT_EQ(digest.value(), content) << "wrong bytes without an error";
    }
  }
}

TEST_P(Damaged, OneByteChangedDoesNoHarm) {
  const std::vector<std::byte> image = Image();
  Random random(1);
  for (int round = 0; round < 150; ++round) {
    // Headers and tables are small and at the front; half of the changes go there.
    const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(image.size(), 200) : image.size();
    std::vector<std::byte> bytes = image;
    bytes[random.Below(reach)] = static_cast<std::byte>(random.Next());
    SCOPED_TRACE(round);
    TryOut(std::move(bytes));
  }
}

TEST_P(Damaged, RandomWordsDoNoHarm) {
  const std::vector<std::byte> image = Image();
  Random random(2);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::byte> bytes = image;
    for (std::uint64_t count = 1 + random.Below(8); count > 0; --count) {
      const std::size_t at = random.Below(bytes.size() / 8) * 8;
      for (std::size_t i = at; i < at + 8; ++i) bytes[i] = static_cast<std::byte>(random.Next());
    }
    SCOPED_TRACE(round);
    TryOut(std::move(bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Damaged, testing::ValuesIn(ReadableSamples()));

}  // namespace
}  // namespace platter::test
