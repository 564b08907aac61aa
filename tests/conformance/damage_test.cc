// Images that are cut short or have bytes changed: an error or an answer within the promises, never a crash, a hang or
// unbounded memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/read_only_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/content.h"
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
      ASSERT_TRUE(AllZero(piece));
    }
    at = extent.value().end();
  }
}

using Bytes = std::vector<std::byte>;

// An image with some bytes changed, or cut short. The image itself is shared: most of them are megabytes of which one
// byte changes.
class DamagedFile final : public ReadOnlyStorage {
 public:
  explicit DamagedFile(std::shared_ptr<const Bytes> image)
      : ReadOnlyStorage("damaged"), image_(std::move(image)), size_(image_->size()) {}

  void Cut(std::size_t size) { size_ = size; }
  void Change(std::size_t at, std::byte value) { changes_[at] = value; }
  std::uint64_t size() const noexcept override { return size_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    std::memcpy(out.data(), image_->data() + offset, out.size());
    for (auto change = changes_.lower_bound(offset); change != changes_.end(); ++change) {
      if (change->first >= offset + out.size()) break;
      out[change->first - offset] = change->second;
    }
    return Done{};
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size_ - offset, true}; }

 private:
  std::shared_ptr<const Bytes> image_;
  std::size_t size_ = 0;
  std::map<std::size_t, std::byte> changes_;
};

class Damaged : public testing::TestWithParam<Sample> {
 protected:
  static std::shared_ptr<const Bytes> Image() {
    const auto storage = SampleInMemory(GetParam(), SampleGuest(GetParam(), 9, kDiskSize));
    Bytes bytes(storage->size());
    EXPECT_TRUE(storage->ReadAt(0, bytes).ok());
    return std::make_shared<const Bytes>(std::move(bytes));
  }
  static void TryOut(std::shared_ptr<DamagedFile> file) {
    const auto chain = OpenAlone(GetParam().driver(), std::move(file));
    if (!chain.ok()) return;
    ExpectPromisesKept(chain.value(), 0);
    if (chain.value().virtual_size() > kReadAtMost) {
      ExpectPromisesKept(chain.value(), chain.value().virtual_size() - kReadAtMost);
    }
  }
};

TEST_P(Damaged, CutShortIsAnErrorOrNoHarm) {
  const auto image = Image();
  const std::string content = SampleGuest(GetParam(), 9, kDiskSize).Sha256();
  const std::size_t step = std::max<std::size_t>(image->size() / 300, 1);
  for (std::size_t length = 0; length < image->size(); length += step) {
    SCOPED_TRACE(length);
    const auto file = std::make_shared<DamagedFile>(image);
    file->Cut(length);
    const auto chain = OpenAlone(GetParam().driver(), file);
    if (!chain.ok() || !GetParam().row->truncation_shows) continue;
    const auto digest = ReadWhole(chain.value());
    if (digest.ok()) {
      EXPECT_EQ(digest.value(), content) << "wrong bytes without an error";
    }
  }
}

TEST_P(Damaged, OneByteChangedDoesNoHarm) {
  const auto image = Image();
  Random random(1);
  for (int round = 0; round < 150; ++round) {
    // Headers and tables are small and at the front; half of the changes go there.
    const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(image->size(), 200) : image->size();
    const auto file = std::make_shared<DamagedFile>(image);
    const std::size_t at = random.Below(reach);
    file->Change(at, static_cast<std::byte>(random.Next()));
    SCOPED_TRACE(round);
    TryOut(file);
  }
}

TEST_P(Damaged, RandomWordsDoNoHarm) {
  const auto image = Image();
  Random random(2);
  for (int round = 0; round < 60; ++round) {
    const auto file = std::make_shared<DamagedFile>(image);
    for (std::uint64_t count = 1 + random.Below(8); count > 0; --count) {
      const std::size_t at = random.Below(image->size() / 8) * 8;
      for (std::size_t i = at; i < at + 8; ++i) file->Change(i, static_cast<std::byte>(random.Next()));
    }
    SCOPED_TRACE(round);
    TryOut(file);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Damaged, testing::ValuesIn(ReadableSamples()));

}  // namespace
}  // namespace platter::test
