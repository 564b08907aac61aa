// A conversion into an image that is there fails or crashes at every write: the failure is reported, and what is left
// is an image in which every sector is the old one, the new one or zero.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/content.h"

namespace platter::test {
namespace {

// Two of the largest blocks that formats have by default (2 MiB), the second one cut short.
constexpr std::uint64_t kDiskSize = (std::uint64_t{2} << 20) + (std::uint64_t{320} << 10);
constexpr std::uint64_t kBatch = 256 << 10;
constexpr std::uint64_t kMostSteps = 60;  // longer sweeps take every k-th call
constexpr std::size_t kSector = 512;

using Bytes = std::vector<std::byte>;

// Images of one file that can be written into. Those of several share their side files between attempts.
std::vector<Sample> UpdatableSamples() {
  std::vector<Sample> samples = OurSamples();
  std::erase_if(samples, [](const Sample& sample) {
    const std::string_view options = sample.variant.options;
    const auto has = [&](std::string_view word) { return options.find(word) != std::string_view::npos; };
    return sample.driver().update == nullptr || has("streamOptimized") || has("Flat") || has("twoGb");
  });
  return samples;
}

class UpdateFaults : public testing::TestWithParam<Sample> {
 protected:
  UpdateFaults() {
    const auto image = SampleInMemory(GetParam(), old_);
    image_.resize(image->size());
    EXPECT_TRUE(image->ReadAt(0, image_).ok());
  }

  std::shared_ptr<MemoryStorage> Image() const { return std::make_shared<MemoryStorage>("image", image_); }

  Result<> Update(std::shared_ptr<Storage> storage) const {
    UpdateRequest request{.storage = std::move(storage)};
    request.context.gate = &SideFilesInMemory();
    const auto writer = PLATTER_TRY(GetParam().driver().update(request));
    return WriteThrough(*writer, new_, kBatch);
  }

  std::shared_ptr<FaultyStorage> CountCalls() const {
    auto counter = std::make_shared<FaultyStorage>(Image(), FaultPlan{});
    const auto updated = Update(counter);
    EXPECT_TRUE(updated.ok()) << updated.error().Describe();
    return counter;
  }

  static std::vector<std::uint64_t> Steps(std::uint64_t count) {
    std::vector<std::uint64_t> steps;
    for (std::uint64_t at = 0; at < count; at += 1 + count / kMostSteps) steps.push_back(at);
    return steps;
  }

  void ExpectOldOrNew(const std::shared_ptr<Storage>& storage) const {
    const auto chain = OpenAlone(GetParam().driver(), storage);
    ASSERT_TRUE(chain.ok()) << chain.error().Describe();
    ASSERT_GE(chain.value().virtual_size(), kDiskSize);
    Bytes guest(kDiskSize);
    const auto read = chain.value().ReadAt(0, guest);
    ASSERT_TRUE(read.ok()) << read.error().Describe();
    for (std::size_t at = 0; at < guest.size(); at += kSector) {
      const auto same = [&](const Bytes& other) { return std::memcmp(&guest[at], &other[at], kSector) == 0; };
      ASSERT_TRUE(same(old_bytes_) || same(new_bytes_) || AllZero(std::span(guest).subspan(at, kSector)))
          << "sector " << at / kSector;
    }
  }

  // The old disk; the new one, which hides all of it.
  const GuestDisk old_ = SampleGuest(GetParam(), 11, kDiskSize, 4096);
  const GuestDisk new_ = WithoutHoles(SampleGuest(GetParam(), 12, kDiskSize, 4096));
  const Bytes old_bytes_ = old_.Content();
  const Bytes new_bytes_ = new_.Content();
  Bytes image_;

 private:
  static GuestDisk WithoutHoles(GuestDisk disk) {
    for (GuestRange& range : disk.ranges) {
      if (range.kind == GuestRange::Kind::kHole) range.kind = GuestRange::Kind::kZero;
    }
    return disk;
  }
};

TEST_P(UpdateFaults, ACrashLeavesAnImage) {
  for (const std::uint64_t call : Steps(CountCalls()->write_count())) {
    SCOPED_TRACE(call);
    const auto base = Image();
    const auto updated = Update(std::make_shared<FaultyStorage>(base, FaultPlan{.crash_before_write = call}));
    ASSERT_FALSE(updated.ok());
    EXPECT_EQ(updated.error().kind(), ErrorKind::kIo) << updated.error().Describe();
    ASSERT_NO_FATAL_FAILURE(ExpectOldOrNew(base));
  }
}

TEST_P(UpdateFaults, EveryFailureIsReported) {
  const auto counter = CountCalls();
  const auto expect_reported = [&](const FaultPlan& plan) {
    const auto updated = Update(std::make_shared<FaultyStorage>(Image(), plan));
    ASSERT_FALSE(updated.ok());
    EXPECT_EQ(updated.error().kind(), ErrorKind::kIo) << updated.error().Describe();
  };
  for (const std::uint64_t call : Steps(counter->write_count())) {
    SCOPED_TRACE(call);
    ASSERT_NO_FATAL_FAILURE(expect_reported({.fail_write = call}));
  }
  for (const std::uint64_t call : Steps(counter->read_count())) {
    SCOPED_TRACE(call);
    ASSERT_NO_FATAL_FAILURE(expect_reported({.fail_read = call}));
  }
}

TEST_P(UpdateFaults, WithoutAFaultIsTheNewDisk) {
  const auto base = Image();
  ASSERT_TRUE(Update(base).ok());
  const auto chain = OpenAlone(GetParam().driver(), base);
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  Bytes guest(kDiskSize);
  ASSERT_TRUE(chain.value().ReadAt(0, guest).ok());
  EXPECT_EQ(FirstDifference(guest, new_bytes_), guest.size());
}

INSTANTIATE_TEST_SUITE_P(Every, UpdateFaults, testing::ValuesIn(UpdatableSamples()));

}  // namespace
}  // namespace platter::test
