// Every read and every write fails once: the answer is an error, and no image that looks whole.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = 200 * 1024 + 512;
constexpr std::uint64_t kMostSteps = 400;  // longer sweeps take every k-th call

class Faults : public testing::TestWithParam<Sample> {
 protected:
  // Opens and reads everything.
  Result<std::string> Digest(std::shared_ptr<Storage> storage) const {
    const Chain chain = PLATTER_TRY(OpenAlone(GetParam().driver(), std::move(storage)));
    if (chain.virtual_size() != kDiskSize) return Error(ErrorKind::kCorrupt, "another size");
    return ReadWhole(chain);
  }

  // Writes the disk under the plan. An image that then opens with its full size must be the whole disk.
  void ExpectNoHalfImage(const FaultPlan& plan) const {
    const auto base = std::make_shared<MemoryStorage>();
    const auto written = WriteSample(GetParam(), std::make_shared<FaultyStorage>(base, plan), disk_);
    EXPECT_FALSE(written.ok());
    if (!written.ok()) {
      EXPECT_EQ(written.error().kind(), ErrorKind::kIo) << written.error().Describe();
    }
    const auto chain = OpenAlone(GetParam().driver(), base);
    if (!chain.ok() || chain.value().virtual_size() != kDiskSize) return;
    EXPECT_EQ(Sha256OfGuest(chain.value()), disk_.Sha256()) << "a half-written image looks whole";
  }

  // A torn write may hit a Resize, which is not torn: then the image is whole.
  void ExpectNoTornImage(std::uint64_t call) const {
    const auto base = std::make_shared<MemoryStorage>();
    (void)WriteSample(GetParam(), std::make_shared<FaultyStorage>(base, FaultPlan{.torn_write = call}), disk_);
    const auto chain = OpenAlone(GetParam().driver(), base);
    if (!chain.ok() || chain.value().virtual_size() != kDiskSize) return;
    EXPECT_EQ(Sha256OfGuest(chain.value()), disk_.Sha256()) << "a torn image looks whole";
  }

  // 0, k, 2k... below `count`.
  static std::vector<std::uint64_t> Steps(std::uint64_t count) {
    std::vector<std::uint64_t> steps;
    for (std::uint64_t at = 0; at < count; at += 1 + count / kMostSteps) steps.push_back(at);
    return steps;
  }

  std::uint64_t CountWrites() const {
    const auto counter = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(), FaultPlan{});
    EXPECT_TRUE(WriteSample(GetParam(), counter, disk_).ok());
    return counter->write_count();
  }

  const GuestDisk disk_ = SampleGuest(GetParam(), 5, kDiskSize);
};

class ReadFaults : public Faults {};
class WriteFaults : public Faults {};

TEST_P(ReadFaults, AreErrors) {
  const auto image = SampleInMemory(GetParam(), disk_);
  const auto counter = std::make_shared<FaultyStorage>(image, FaultPlan{});
  const auto whole = Digest(counter);
  ASSERT_TRUE(whole.ok()) << whole.error().Describe();
  for (const std::uint64_t call : Steps(counter->read_count())) {
    const auto faulty = std::make_shared<FaultyStorage>(image, FaultPlan{.fail_read = call});
    const auto digest = Digest(faulty);
    if (faulty->read_count() <= call) continue;  // another path through the caches: that call was not made
    ASSERT_FALSE(digest.ok()) << "read " << call << " failed unseen";
    EXPECT_EQ(digest.error().kind(), ErrorKind::kIo) << digest.error().Describe();
  }
}

TEST_P(ReadFaults, OfASourceThatShrinksAreErrors) {
  const auto image = SampleInMemory(GetParam(), disk_);
  const std::string content = disk_.Sha256();
  for (const std::uint64_t end : Steps(image->size())) {
    const auto digest = Digest(std::make_shared<FaultyStorage>(image, FaultPlan{.shrink_to = end}));
    if (digest.ok()) {
      EXPECT_EQ(digest.value(), content) << "shrunk to " << end;
    }
  }
}

TEST_P(WriteFaults, OfOneWriteLeaveNoImage) {
  for (const std::uint64_t call : Steps(CountWrites())) {
    SCOPED_TRACE(call);
    ExpectNoHalfImage({.fail_write = call});
  }
}

TEST_P(WriteFaults, OfTornWritesAndCrashesLeaveNoImage) {
  const std::uint64_t count = CountWrites();
  for (const std::uint64_t call : Steps(count)) {
    SCOPED_TRACE(call);
    ExpectNoHalfImage({.crash_before_write = call});
    ExpectNoTornImage(call);
  }
}

TEST_P(WriteFaults, OfAFullDiskLeaveNoImage) {
  const std::uint64_t size = SampleInMemory(GetParam(), disk_)->size();
  for (const std::uint64_t capacity : Steps(size)) {
    SCOPED_TRACE(capacity);
    const auto base = std::make_shared<MemoryStorage>();
    const FaultPlan plan{.capacity = capacity};
    const auto written = WriteSample(GetParam(), std::make_shared<FaultyStorage>(base, plan), disk_);
    if (!written.ok()) {
      EXPECT_EQ(written.error().os_error(), ENOSPC) << written.error().Describe();
    }
    const auto chain = OpenAlone(GetParam().driver(), base);
    if (chain.ok() && chain.value().virtual_size() == kDiskSize) {
      EXPECT_EQ(Sha256OfGuest(chain.value()), disk_.Sha256());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every, ReadFaults, testing::ValuesIn(ReadableSamples()));
INSTANTIATE_TEST_SUITE_P(Every, WriteFaults, testing::ValuesIn(OurSamples()));

}  // namespace
}  // namespace platter::test
