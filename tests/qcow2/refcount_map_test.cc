// Counting in runs against counting one by one.
#include "formats/qcow2/refcount_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kClusters = 3 * RefcountMap::kChunkClusters;
constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;

// What Count of a walk does: runs as far as they go, the rest one by one. The value is what did not fit.
std::uint64_t AddAll(RefcountMap& counts, std::uint64_t first, std::uint64_t count, std::uint64_t weight) {
  std::uint64_t overflow = 0;
  for (std::uint64_t at = first; at < first + count;) {
    const std::uint64_t done = counts.AddRun(at, first + count - at, weight);
    at += done;
    if (at == first + count) break;
    overflow += counts.Add(at++, weight).value();
  }
  return overflow;
}

class CountsInRuns : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CountsInRuns, AsOneByOne) {
  const std::uint64_t most = GetParam();
  std::mt19937_64 random(most);
  RefcountMap runs(most, kMemory);
  std::map<std::uint64_t, std::uint64_t> model;
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t first = random() % kClusters;
    const std::uint64_t count = 1 + random() % std::min<std::uint64_t>(kClusters - first, 1000);
    const std::uint64_t weight = round % 9 == 0 ? 1 + random() % 40000 : 1;
    std::uint64_t overflow = 0;
    for (std::uint64_t at = first; at < first + count; ++at) {
      const std::uint64_t fits = std::min(weight, most - model[at]);
      model[at] += fits;
      overflow += weight - fits;
    }
    ASSERT_EQ(AddAll(runs, first, count, weight), overflow) << round;
  }
  for (std::uint64_t at = 0; at < runs.size(); ++at) {
    const auto found = model.find(at);
    ASSERT_EQ(runs.Get(at), found == model.end() ? 0 : found->second) << at;
  }
  for (std::uint64_t at = 0; at + RefcountMap::kGroup <= runs.size(); at += RefcountMap::kGroup) {
    const auto group = runs.Group(at);
    for (std::size_t i = 0; i < group.size(); ++i) ASSERT_EQ(group[i], runs.Get(at + i)) << at + i;
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, CountsInRuns, testing::Values(1, 3, 15, 255, 65534, 65535, 0xFFFFFFFF));

TEST(RefcountMap, RunStopsWhereMemoryIsNeeded) {
  RefcountMap counts(65535, kMemory);
  EXPECT_EQ(counts.AddRun(0, 10, 1), 0U);
  ASSERT_EQ(counts.Add(0).value(), 0U);
  EXPECT_EQ(counts.AddRun(1, RefcountMap::kChunkClusters, 1), 0U) << "not part of the map";
  ASSERT_TRUE(counts.Cover(2 * RefcountMap::kChunkClusters).ok());
  EXPECT_EQ(counts.AddRun(1, 2 * RefcountMap::kChunkClusters - 1, 1), RefcountMap::kChunkClusters - 1);
  EXPECT_EQ(counts.Get(RefcountMap::kChunkClusters - 1), 1U);
  EXPECT_EQ(counts.Get(RefcountMap::kChunkClusters), 0U);
}

TEST(RefcountMap, GroupWithALargeCountIsNotShown) {
  RefcountMap counts(~std::uint64_t{0}, kMemory);
  ASSERT_TRUE(counts.Cover(2 * RefcountMap::kGroup).ok());
  for (const std::uint16_t count : counts.Group(0)) EXPECT_EQ(count, 0U);
  ASSERT_EQ(counts.Add(5, 70000).value(), 0U);
  EXPECT_TRUE(counts.Group(0).empty());
  EXPECT_EQ(counts.Group(RefcountMap::kGroup).size(), RefcountMap::kGroup);
}

}  // namespace
}  // namespace platter::qcow2
