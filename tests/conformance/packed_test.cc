// Compressed images into images that pack alike: clusters and grains move as they are, the guest reads the same, and
// what fails fails as loudly as when they are inflated.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "convert/copy/copy.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = (std::uint64_t{3} << 20) + 40 * 512;
constexpr std::uint64_t kMostSteps = 150;  // longer sweeps take every k-th call

bool Packs(const Sample& sample) {
  const auto writer = NewSample(sample, std::make_shared<MemoryStorage>("probe"), kDiskSize);
  return writer.ok() && writer.value()->traits().packing.has_value();
}

std::vector<Sample> PackingSamples() {
  std::vector<Sample> samples = OurSamples();
  std::erase_if(samples, [](const Sample& sample) { return !Packs(sample); });
  return samples;
}

// Long stretches: whole units that compress are what can be passed.
GuestDisk LongStretches(std::uint64_t seed) { return RandomGuest(seed, kDiskSize, 16384); }

// Copies `image` into a new image of the sample's kind.
Result<CopyReport> Pass(const Sample& sample, const std::shared_ptr<Storage>& image,
                        const std::shared_ptr<Storage>& target, CopyOptions options = {}) {
  const Chain chain = PLATTER_TRY(OpenAlone(sample.driver(), image));
  const auto writer = PLATTER_TRY(NewSample(sample, target, chain.virtual_size()));
  const Chain* const sources[] = {&chain};
  options.pass_packed = true;
  const CopyReport report = PLATTER_TRY(Copy(sources, *writer, options));
  PLATTER_CHECK(writer->Finish());
  return report;
}

void ExpectSound(const Sample& sample, const std::shared_ptr<Storage>& image) {
  CheckRequest request;
  std::string findings;
  request.storage = image;
  request.context.gate = &SideFilesInMemory();
  request.log = [&](const std::string& line) { findings += line + "\n"; };
  const auto checked = sample.driver().check(request);
  ASSERT_TRUE(checked.ok()) << checked.error().Describe();
  EXPECT_EQ(checked.value().corruptions + checked.value().leaks + checked.value().check_errors, 0U) << findings;
}

std::string GuestDigest(const Sample& sample, const std::shared_ptr<Storage>& image) {
  const auto chain = OpenAlone(sample.driver(), image);
  return chain.ok() ? Sha256OfGuest(chain.value()) : chain.error().Describe();
}

std::vector<std::byte> BytesOf(Storage& storage) {
  std::vector<std::byte> bytes(storage.size());
  EXPECT_TRUE(storage.ReadAt(0, bytes).ok());
  return bytes;
}

class PackedUnitsMove : public testing::TestWithParam<Sample> {
 protected:
  const GuestDisk disk_ = LongStretches(11);
  const std::shared_ptr<Storage> source_ = SampleInMemory(GetParam(), disk_);
};

TEST_P(PackedUnitsMove, TheGuestReadsTheSame) {
  const auto target = std::make_shared<MemoryStorage>("target");
  const auto report = Pass(GetParam(), source_, target);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_GT(report.value().packed_bytes, 0U);
  EXPECT_EQ(GuestDigest(GetParam(), target), disk_.Sha256());
  ExpectSound(GetParam(), target);
}

// What a pass costs in space it costs once.
TEST_P(PackedUnitsMove, AgainAndAgainWithoutGrowing) {
  const auto once = std::make_shared<MemoryStorage>("once");
  const auto twice = std::make_shared<MemoryStorage>("twice");
  ASSERT_TRUE(Pass(GetParam(), source_, once).ok());
  ASSERT_TRUE(Pass(GetParam(), once, twice).ok());
  EXPECT_EQ(once->size(), twice->size());
  EXPECT_LE(once->size(), source_->size() + source_->size() / 20 + (std::uint64_t{256} << 10));
  EXPECT_EQ(GuestDigest(GetParam(), twice), disk_.Sha256());
}

// All but what is drawn by lot, such as a VMDK's CID.
TEST_P(PackedUnitsMove, AnyNumberOfWorkersGivesTheSameSize) {
  std::uint64_t first = 0;
  for (unsigned workers = 1; workers <= 8; workers += 3) {
    const auto target = std::make_shared<MemoryStorage>("target");
    CopyOptions options;
    options.workers = workers;
    ASSERT_TRUE(Pass(GetParam(), source_, target, options).ok());
    if (workers == 1) first = target->size();
    EXPECT_EQ(target->size(), first);
    EXPECT_EQ(GuestDigest(GetParam(), target), disk_.Sha256());
  }
}

TEST_P(PackedUnitsMove, OntoPlacesBetweenUnitsTheyAreInflated) {
  const Chain chain = OpenAlone(GetParam().driver(), source_).value();
  const auto target = std::make_shared<MemoryStorage>("target");
  const auto writer = NewSample(GetParam(), target, 2 * kDiskSize);
  ASSERT_TRUE(writer.ok());
  const Chain* const sources[] = {&chain, &chain};
  CopyOptions options;
  options.pass_packed = true;
  ASSERT_TRUE(Copy(sources, *writer.value(), options).ok());
  ASSERT_TRUE(writer.value()->Finish().ok());
  std::vector<std::byte> twice = disk_.Content();
  twice.insert(twice.end(), twice.begin(), twice.begin() + static_cast<std::ptrdiff_t>(kDiskSize));
  const Chain made = OpenAlone(GetParam().driver(), target).value();
  std::vector<std::byte> read(twice.size());
  ASSERT_TRUE(made.ReadAt(0, read).ok());
  EXPECT_TRUE(read == twice);
  ExpectSound(GetParam(), target);
}

TEST_P(PackedUnitsMove, EveryReadThatFailsIsAnError) {
  const auto counter = std::make_shared<FaultyStorage>(source_, FaultPlan{});
  CopyOptions one;
  one.workers = 1;
  ASSERT_TRUE(Pass(GetParam(), counter, std::make_shared<MemoryStorage>("target"), one).ok());
  for (std::uint64_t call = 0; call < counter->read_count(); call += 1 + counter->read_count() / kMostSteps) {
    const auto faulty = std::make_shared<FaultyStorage>(source_, FaultPlan{.fail_read = call});
    const auto passed = Pass(GetParam(), faulty, std::make_shared<MemoryStorage>("target"), one);
    if (faulty->read_count() <= call) continue;
    ASSERT_FALSE(passed.ok()) << "read " << call << " failed unseen";
    EXPECT_EQ(passed.error().kind(), ErrorKind::kIo) << passed.error().Describe();
  }
}

TEST_P(PackedUnitsMove, ASourceThatShrinksOrIsCutShortNeverMakesAnotherDisk) {
  const std::vector<std::byte> bytes = BytesOf(*source_);
  for (std::uint64_t end = 0; end < bytes.size(); end += 1 + bytes.size() / kMostSteps) {
    const auto shrunk = std::make_shared<FaultyStorage>(source_, FaultPlan{.shrink_to = end});
    const auto cut = std::make_shared<MemoryStorage>(
        source_->name(), std::vector<std::byte>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(end)));
    for (const std::shared_ptr<Storage>& image : {std::shared_ptr<Storage>(shrunk), std::shared_ptr<Storage>(cut)}) {
      const auto target = std::make_shared<MemoryStorage>("target");
      if (!Pass(GetParam(), image, target).ok()) continue;
      EXPECT_EQ(GuestDigest(GetParam(), target), GuestDigest(GetParam(), image)) << "ends at " << end;
    }
  }
}

TEST_P(PackedUnitsMove, AWriteThatFailsLeavesNoImage) {
  const auto counter = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("counted"), FaultPlan{});
  ASSERT_TRUE(Pass(GetParam(), source_, counter).ok());
  for (std::uint64_t call = 0; call < counter->write_count(); call += 1 + counter->write_count() / kMostSteps) {
    const auto base = std::make_shared<MemoryStorage>("target");
    const auto faulty = std::make_shared<FaultyStorage>(base, FaultPlan{.crash_before_write = call});
    const auto passed = Pass(GetParam(), source_, faulty);
    if (faulty->write_count() <= call) continue;
    ASSERT_FALSE(passed.ok()) << "write " << call << " failed unseen";
    const auto chain = OpenAlone(GetParam().driver(), base);
    if (!chain.ok() || chain.value().virtual_size() != kDiskSize) continue;
    EXPECT_EQ(Sha256OfGuest(chain.value()), disk_.Sha256()) << "a half-written image looks whole";
  }
}

// One byte of a thousand is changed, again and again: whatever the damage is, the new image reads as the old one does,
// damage and all, or the copy fails.
TEST_P(PackedUnitsMove, DamageIsRefusedOrStaysWhatItWas) {
  const std::vector<std::byte> bytes = BytesOf(*source_);
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::byte> damaged = bytes;
    for (std::size_t change = 0; change < 1 + damaged.size() / 65536; ++change) {
      damaged[random.Below(damaged.size())] = static_cast<std::byte>(random.Next());
    }
    const auto image = std::make_shared<MemoryStorage>(source_->name(), std::move(damaged));
    const auto target = std::make_shared<MemoryStorage>("target");
    if (!Pass(GetParam(), image, target).ok()) continue;
    const auto before = OpenAlone(GetParam().driver(), image);
    ASSERT_TRUE(before.ok());
    const auto read = ReadWhole(before.value());
    const auto after = ReadWhole(OpenAlone(GetParam().driver(), target).value());
    EXPECT_EQ(after.ok(), read.ok()) << round;
    if (!after.ok() || !read.ok()) continue;
    EXPECT_EQ(after.value(), read.value()) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, PackedUnitsMove, testing::ValuesIn(PackingSamples()));

// Streams that others made.
class PeersUnitsMove : public testing::TestWithParam<Sample> {};

TEST_P(PeersUnitsMove, TheGuestReadsTheSame) {
  const Sample& sample = GetParam();
  const GuestDisk disk = LongStretches(12);
  Sample peer = sample;
  const ConformanceRow readable{.format = sample.row->format, .peer_format = sample.row->peer_format};
  peer.row = &readable;
  peer.variant.compress = true;
  const auto image = SampleInMemory(peer, disk);
  const auto target = std::make_shared<MemoryStorage>("target");
  const auto report = Pass(sample, image, target);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_GT(report.value().packed_bytes, 0U);
  EXPECT_EQ(GuestDigest(sample, target), disk.Sha256());
  ExpectSound(sample, target);
}

INSTANTIATE_TEST_SUITE_P(Samples, PeersUnitsMove, testing::ValuesIn(PackingSamples()));

}  // namespace
}  // namespace platter::test
